//! Finds two data centres, keeps four connections to them, authenticates, and turns streams into exchanges
