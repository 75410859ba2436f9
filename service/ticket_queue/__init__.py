"""Redis, the fast hint about which tickets are open: the only home of redis-py and of Lua."""
