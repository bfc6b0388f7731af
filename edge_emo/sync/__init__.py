"""Time: mailboxes, clock fits, rings, windows, joins and health."""
