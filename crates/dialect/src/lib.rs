//! Reads and writes text the way upstream's runtime does: URLs, durations, regular expressions, numbers, quoting, JSON
