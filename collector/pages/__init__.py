"""The demo site: pages, styles and scripts."""
