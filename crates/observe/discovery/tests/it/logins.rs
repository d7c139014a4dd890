//! Each way to log in to a host, at a real OpenSSH server. (A jump host is in `real_hosts`.)

use crate::lab::one::One;
use crate::lab::{Key, PASSWORD};
use anyhow::{Result, ensure};
use discovery::environment::CredentialName;
use discovery::scan::Outcome;

fn is_read(outcome: &Outcome) -> Result<()> {
    ensure!(outcome.hosts_read == 1, "{:?}", outcome.faults);
    Ok(())
}

#[test]
fn an_rsa_key_opens_a_host_that_has_one_too() -> Result<()> {
    let lab = One::start("rsa", Some("rsa"), "")?;
    is_read(&lab.scan()?)?;
    // Another key of the same kind does not.
    let stranger = Key::of_kind(lab.folder(), "stranger", "rsa")?.private()?;
    let outcome = lab.scan_with(CredentialName::SshKey, &stranger)?;
    ensure!(
        outcome.hosts_read == 0 && outcome.faults[0].1.contains("refuses user 'root'"),
        "{:?}",
        outcome.faults
    );
    Ok(())
}

#[test]
fn a_password_opens_a_host_and_a_wrong_one_does_not() -> Result<()> {
    let lab = One::start("ed25519", None, "")?;
    is_read(&lab.scan_with(CredentialName::SshPassword, PASSWORD)?)?;
    let outcome = lab.scan_with(CredentialName::SshPassword, "open barley")?;
    ensure!(outcome.hosts_read == 0, "a wrong password was taken");
    let fault = &outcome.faults[0].1;
    ensure!(
        fault.contains("refuses user 'root'") && !fault.contains("barley"),
        "{fault}"
    );
    Ok(())
}
