"""WHO may speak to it: aiohttp, the command line, the pages."""
