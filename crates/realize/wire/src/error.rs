//! What can be wrong with bytes from the other side.

/// Why a frame, a unit or a key was refused. Names the field as `message.field`, and the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("not a protobuf message: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error("{field} is missing")]
    Missing { field: &'static str },
    #[error("{field} has {length} bytes instead of {accepted}")]
    Length {
        field: &'static str,
        length: usize,
        accepted: &'static str,
    },
    #[error("{field} is {value}, {problem}")]
    Value {
        field: &'static str,
        value: String,
        problem: String,
    },
    #[error("{field} is not in strictly ascending order")]
    Order { field: &'static str },
}

impl DecodeError {
    pub(crate) fn value(field: &'static str, value: impl ToString, problem: impl ToString) -> Self {
        Self::Value {
            field,
            value: value.to_string(),
            problem: problem.to_string(),
        }
    }
}
