"""Places: files, cities and countries by inhabitants, areas, time zones."""
