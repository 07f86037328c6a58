"""The gate, `/verify`: a gateway asks it about each request, and passes on the requests whose token is live."""
