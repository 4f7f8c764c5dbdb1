"""Analysis of recorded videos: tables, events and reports."""
