//! A new build of the console has new file names, which the embedding macro alone would not notice.

fn main() {
    // Cargo takes a path that is not there for one that changes all the time, and would build all that follows anew with each call.
    // Where the sources cannot be written that stays so.
    let _ = std::fs::create_dir_all("ui/dist");
    println!("cargo::rerun-if-changed=ui/dist");
}
