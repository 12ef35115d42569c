//! The program as its users meet it: the real binary beside a real broker and a real database.

mod configuration;
mod house;
mod main_job;
