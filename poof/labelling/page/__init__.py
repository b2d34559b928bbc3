"""The page in the browser: a server of one machine for itself, and the files it shows."""
