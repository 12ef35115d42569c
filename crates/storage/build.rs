//! Rebuilds when migrations change, since they are compiled in.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
