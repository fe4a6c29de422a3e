//! Matches a request to a rule, top to bottom, and carries it to the origin
