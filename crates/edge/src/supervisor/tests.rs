//! The supervisor in a virtual world: single stories, and thousands of random ones beside a model.

mod schedules;
mod stories;
mod world;
