"""Tells the outside what happens to runs: publishes it, finds who wants to hear of it, and delivers it."""
