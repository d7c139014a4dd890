//! The checked-in code is what the generator makes of `proto/agent.proto` today.

#[path = "../examples/generate.rs"]
mod generate;

#[test]
fn checked_in_code_is_up_to_date() {
    let out = std::env::temp_dir().join(format!("netwright-wire-{}", std::process::id()));
    std::fs::create_dir_all(&out).expect("a directory for the generated code");
    generate::generate(&out).expect("the protocol compiles");
    let fresh = std::fs::read_to_string(out.join(generate::FILE)).expect("generated code");
    std::fs::remove_dir_all(&out).expect("the directory goes");
    let checked_in = std::fs::read_to_string(generate::checked_in().join(generate::FILE))
        .expect("checked-in code");
    assert!(
        fresh == checked_in,
        "src/generated is out of date: run `cargo run -p wire --example generate`"
    );
}
