//! A new build of the console has new file names, which the embedding macro alone would not notice.

fn main() {
    println!("cargo::rerun-if-changed=ui/dist");
}
