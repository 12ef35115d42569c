//! The migrations are compiled in; cargo has to be told where they are.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
