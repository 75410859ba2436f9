"""The page: agents, admins and operators at work in a browser. README.md says how to add a view."""
