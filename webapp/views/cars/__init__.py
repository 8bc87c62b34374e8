"""Cars in the browser: their boxes, and what is in one."""
