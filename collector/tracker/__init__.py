"""
The browser tracker: sources in src/, built by npm into dist/.
"""
