"""Movies: one layout while its code changes, or layouts that change under one code."""
