// A resource server's checks with oauth4webapi and jose. Reads one JSON object a line, and answers each with one.
import { createInterface } from 'node:readline'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'

const [issuer, clientId, clientSecret] = process.argv.slice(2)
const insecure = { [oauth.allowInsecureRequests]: true } // the test's server has no HTTPS
const client = { client_id: clientId }
const byHeader = oauth.ClientSecretBasic(clientSecret)
const byForm = oauth.ClientSecretPost(clientSecret)
const options = { algorithm: 'oauth2', ...insecure }

async function discover(at = issuer) {
  return oauth.processDiscoveryResponse(new URL(at), await oauth.discoveryRequest(new URL(at), options))
}

async function introspect({ token, form = false, signed = false, hint }) {
  const server = await discover()
  const asked = { ...client, ...(signed ? { introspection_signed_response_alg: 'ES256' } : {}) }
  const additionalParameters = hint ? { token_type_hint: hint } : undefined
  const response = await oauth.introspectionRequest(server, asked, form ? byForm : byHeader, token, {
    ...insecure,
    additionalParameters,
  })
  const told = await oauth.processIntrospectionResponse(server, asked, response)
  // It throws if the signature is wrong.
  if (signed) await oauth.validateApplicationLevelSignature(server, response, insecure)
  return told
}

async function revoke({ token, form = false }) {
  const server = await discover()
  const response = await oauth.revocationRequest(server, client, form ? byForm : byHeader, token, insecure)
  return (await oauth.processRevocationResponse(response)) ?? null
}

async function validate({ token, audience }) {
  const headers = { authorization: `Bearer ${token}` }
  return oauth.validateJwtAccessToken(await discover(), new Request('https://shop.example', { headers }), audience, insecure)
}

let keys
async function verify({ token, audience }) {
  keys ??= jose.createRemoteJWKSet(new URL((await discover()).jwks_uri))
  const { payload } = await jose.jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt', algorithms: ['ES256'] })
  return payload
}

const acts = { discover: ({ at }) => discover(at), introspect, revoke, validate, verify }
for await (const line of createInterface({ input: process.stdin })) {
  const { act, ...given } = JSON.parse(line)
  let answer
  try {
    answer = { result: await acts[act](given) }
  } catch (error) {
    answer = { error: error.error ?? error.code ?? error.name, status: error.status ?? null, message: error.message }
  }
  console.log(JSON.stringify(answer))
}
