"""How the admin writes times: to be read in a table, and in UTC."""
