//! The checked-in code is what the generator makes of `proto/gnmi.proto` today.

#[path = "../../examples/generate.rs"]
mod generate;

#[test]
fn checked_in_code_is_up_to_date() {
    let out = tempfile::tempdir().expect("a directory for the generated code");
    generate::generate(out.path()).expect("the protocol compiles");
    let fresh = std::fs::read_to_string(out.path().join(generate::FILE)).expect("generated code");
    let checked_in = std::fs::read_to_string(generate::checked_in().join(generate::FILE))
        .expect("checked-in code");
    assert!(
        fresh == checked_in,
        "src/gnmi/generated is out of date: run `cargo run -p discovery --example generate`"
    );
}
