//! Switches by gNMI: their interfaces and LLDP neighbours, in the OpenConfig models. Only Capabilities and Get are called.

mod client;
pub mod drafts;

/// Made from `proto/gnmi.proto` by `examples/generate.rs`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]
pub mod generated {
    include!("generated/gnmi.rs");
}

pub use client::{Settings, SwitchTarget, Switches};

use crate::scan::{Context, Source, reading_of, source};
use crate::{Error, Result};
use futures::future::BoxFuture;
use topology::Reading;

impl Source for Switches {
    fn name(&self) -> &str {
        "gNMI"
    }

    fn readers(&self) -> &'static [&'static str] {
        &["gnmi-ports"]
    }

    fn read<'a>(
        &'a self,
        reader: &'a str,
        context: Context<'a>,
    ) -> BoxFuture<'a, Result<Vec<Reading>>> {
        Box::pin(async move {
            if reader != "gnmi-ports" {
                return Err(Error::no_reader(self.name(), reader));
            }
            let pnics: Vec<_> = context.drafts("host_pnic").collect();
            let mut readings = Vec::new();
            for target in self.targets() {
                let within = drafts::switch_key(context.environment, &target.name);
                let reading = match self.state(&target.url).await {
                    Ok(state) => {
                        let drafts = drafts::switch(context.environment, target, &state, &pnics);
                        let (switch, ports) = drafts
                            .into_iter()
                            .partition(|draft| draft.key.object_type.as_str() == "switch");
                        let mut named = Reading::named(source("gnmi", &target.url));
                        named.drafts = switch;
                        readings.push(named);
                        reading_of(
                            source("gnmi", &target.url),
                            &["switch_pnic"],
                            within,
                            ports,
                            None,
                        )
                    }
                    Err(error) => {
                        let reason = Some(error.to_string());
                        reading_of(
                            source("gnmi", &target.url),
                            &["switch_pnic"],
                            within,
                            Vec::new(),
                            reason,
                        )
                    }
                };
                readings.push(reading);
            }
            Ok(readings)
        })
    }
}
