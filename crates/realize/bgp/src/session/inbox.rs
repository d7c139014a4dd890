//! The receive buffer: cuts a stream that comes in chunks of any size into messages. Whole messages are lent straight
//! from the chunk; only the beginning of a message whose end is missing is copied, at most once per octet.

use crate::message::{Frame, HEADER, HeaderError, frame};

/// What has come of a message that is not whole yet.
#[derive(Debug, Default)]
pub struct Inbox {
    partial: Vec<u8>,
    /// `partial` was lent as a whole message and is to be dropped.
    lent: bool,
}

impl Inbox {
    /// The next whole message of what is kept and `rest`, which is advanced. `Ok(None)`: all of `rest` is taken, more must
    /// come. `max` is the negotiated length limit; it may differ from call to call.
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        rest: &mut &'b [u8],
        max: usize,
    ) -> Result<Option<Frame<'a>>, HeaderError> {
        if std::mem::take(&mut self.lent) {
            self.partial.clear();
        }
        if self.partial.is_empty() {
            return self.cut(rest, max);
        }
        while !rest.is_empty() {
            let missing = self.wanted(max).saturating_sub(self.partial.len()).max(1);
            let (taken, left) = rest.split_at(missing.min(rest.len()));
            self.partial.extend_from_slice(taken);
            *rest = left;
            if frame(&self.partial, max)?.is_some() {
                self.lent = true;
                break;
            }
        }
        if !self.lent {
            return Ok(None);
        }
        frame(&self.partial, max)
    }

    fn cut<'b>(
        &mut self,
        rest: &mut &'b [u8],
        max: usize,
    ) -> Result<Option<Frame<'b>>, HeaderError> {
        if rest.is_empty() {
            return Ok(None);
        }
        match frame(rest, max)? {
            Some(frame) => {
                *rest = &rest[frame.bytes.len()..];
                Ok(Some(frame))
            }
            None => {
                self.partial.extend_from_slice(rest);
                *rest = &[];
                Ok(None)
            }
        }
    }

    /// Octets the message in `partial` will have, as far as is known.
    fn wanted(&self, max: usize) -> usize {
        match self.partial.get(16..18) {
            Some(&[high, low]) if self.partial.len() >= HEADER => {
                usize::from(u16::from_be_bytes([high, low])).min(max)
            }
            _ => HEADER,
        }
    }
}
