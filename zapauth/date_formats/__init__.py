"""The formats of dates and times in the admin: readable in a table, and in UTC."""
