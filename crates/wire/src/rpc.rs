//! Sans-IO. The envelope of a call: the messages of Cap'n Proto RPC, level 1.

mod write;

pub use write::{
    put_abort, put_bootstrap, put_call, put_exception, put_finish, put_main, put_release, put_results,
    put_unimplemented,
};

use crate::reader::{Place, Reader, Struct, Target};
use crate::{DecodeError, Message};

/// A message from the peer, as far as it matters here.
#[derive(Debug)]
pub enum Envelope {
    /// The peer does not know a message that it was sent.
    Unimplemented,
    /// The peer gives up the conversation.
    Abort(Exception),
    /// A call.
    Call(Call),
    /// The answer to a call or to a bootstrap.
    Return(Return),
    /// The asking side needs an answer no longer.
    Finish(Finish),
    /// References to an exported capability are given back.
    Release {
        /// The capability.
        id: u32,
        /// How many references.
        count: u32,
    },
    /// A request for the main interface.
    Bootstrap {
        /// What the answer shall refer to.
        question: u32,
    },
    /// Anything else; it is answered with [`put_unimplemented`].
    Other,
}

/// A call.
#[derive(Debug)]
pub struct Call {
    /// What the answer shall refer to.
    pub question: u32,
    /// What is called.
    pub to: To,
    /// The interface that holds the method.
    pub interface: u64,
    /// The method's ordinal.
    pub method: u16,
    /// The parameters.
    pub params: Payload,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// A capability that the called side exported.
    Export(u32),
    /// The capability that the answer to this question is or will be.
    Answer(u32),
    /// A capability inside an answer. No interface here has one.
    Inside(u32),
}

/// The answer to a question.
#[derive(Debug)]
pub struct Return {
    /// The question.
    pub question: u32,
    /// The answer.
    pub outcome: Outcome,
}

/// What came of a question.
#[derive(Debug)]
pub enum Outcome {
    /// It was answered.
    Results(Payload),
    /// It failed.
    Exception(Exception),
    /// It was cancelled.
    Canceled,
    /// The answer went elsewhere, which nobody here asks for.
    Elsewhere,
}

/// The end of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The question.
    pub question: u32,
    /// Whether the capabilities in the answer are given back with it.
    pub release: bool,
}

/// Why a call or a conversation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The reason, for people.
    pub reason: String,
    /// The kind: failed 0, overloaded 1, disconnected 2, unimplemented 3.
    pub kind: u16,
}

/// What a call or an answer carries, still as it arrived.
#[derive(Clone, Debug)]
pub struct Payload {
    message: Message,
    content: Option<Place>,
    /// How many capabilities the sender passed along.
    capabilities: usize,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// What the answer shall refer to.
    pub question: u32,
    /// What is called.
    pub to: To,
    /// The interface that holds the method.
    pub interface: u64,
    /// The method's ordinal.
    pub method: u16,
}

impl Envelope {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// Fails when a pointer in it leads nowhere.
    pub fn read(message: &Message) -> Result<Self, DecodeError> {
        let reader = Reader::new(message);
        let root = reader.root()?;
        let body = root.structure(0)?;
        Ok(match root.short(0) {
            UNIMPLEMENTED => Self::Unimplemented,
            ABORT => Self::Abort(Exception::read(&body)?),
            CALL => Call::read(&body, message)?.map_or(Self::Other, Self::Call),
            RETURN => Self::Return(Return::read(&body, message)?),
            FINISH => Self::Finish(Finish::read(&body)),
            RELEASE => Self::Release {
                id: body.int(0),
                count: body.int(4),
            },
            BOOTSTRAP => Self::Bootstrap {
                question: body.int(0),
            },
            _ => Self::Other,
        })
    }
}

impl Call {
    /// Reads a call, or nothing when its answer shall go elsewhere than to its caller.
    fn read(body: &Struct<'_>, message: &Message) -> Result<Option<Self>, DecodeError> {
        if body.short(6) != TO_CALLER {
            return Ok(None);
        }
        Ok(Some(Self {
            question: body.int(0),
            to: To::read(&body.structure(0)?)?,
            interface: body.long(8),
            method: body.short(4),
            params: Payload::read(&body.structure(1)?, message)?,
        }))
    }
}

impl To {
    fn read(target: &Struct<'_>) -> Result<Self, DecodeError> {
        if target.short(4) == IMPORTED {
            return Ok(Self::Export(target.int(0)));
        }
        let promised = target.structure(0)?;
        let question = promised.int(0);
        let mut operations = promised.list(0)?.iter();
        Ok(
            if operations.any(|operation| operation.short(0) != NO_OPERATION) {
                Self::Inside(question)
            } else {
                Self::Answer(question)
            },
        )
    }
}

impl Return {
    fn read(body: &Struct<'_>, message: &Message) -> Result<Self, DecodeError> {
        let outcome = match body.short(6) {
            RESULTS => Outcome::Results(Payload::read(&body.structure(0)?, message)?),
            EXCEPTION => Outcome::Exception(Exception::read(&body.structure(0)?)?),
            CANCELED => Outcome::Canceled,
            _ => Outcome::Elsewhere,
        };
        Ok(Self {
            question: body.int(0),
            outcome,
        })
    }
}

impl Finish {
    fn read(body: &Struct<'_>) -> Self {
        Self {
            question: body.int(0),
            release: !body.bit(32),
        }
    }
}

impl Exception {
    fn read(body: &Struct<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            reason: body.string(0)?,
            kind: body.short(4),
        })
    }
}

impl Payload {
    fn read(body: &Struct<'_>, message: &Message) -> Result<Self, DecodeError> {
        Ok(Self {
            message: message.clone(),
            content: body.place(0),
            capabilities: body.list(1)?.len(),
        })
    }

    /// Returns how many capabilities came along.
    #[must_use]
    pub const fn capabilities(&self) -> usize {
        self.capabilities
    }

    /// Returns the capability that the content is, when it is one that the sender hosts.
    ///
    /// # Errors
    ///
    /// Fails when a pointer leads nowhere.
    pub fn capability(&self) -> Result<Option<u32>, DecodeError> {
        let reader = Reader::new(&self.message);
        let Some(place) = self.content else {
            return Ok(None);
        };
        let Target::Capability(index) = reader.follow(place)? else {
            return Ok(None);
        };
        let body = reader.root()?.structure(0)?.structure(0)?;
        let descriptor = body.list(1)?.iter().nth(index as usize);
        let hosted = descriptor.filter(|found| matches!(found.short(0), SENDER_HOSTED | SENDER_PROMISE));
        Ok(hosted.map(|found| found.int(4)))
    }

    /// Lets `read` have the struct that the content is; an empty one when it is none.
    pub(crate) fn content<T>(
        &self,
        read: impl FnOnce(Struct<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let reader = Reader::new(&self.message);
        match self.content {
            Some(place) => read(reader.structure(place)?),
            None => read(reader.empty()),
        }
    }
}

const UNIMPLEMENTED: u16 = 0;
const ABORT: u16 = 1;
const CALL: u16 = 2;
const RETURN: u16 = 3;
const FINISH: u16 = 4;
const RELEASE: u16 = 6;
const BOOTSTRAP: u16 = 8;

const TO_CALLER: u16 = 0;

const IMPORTED: u16 = 0;
const PROMISED: u16 = 1;

const NO_OPERATION: u16 = 0;

const RESULTS: u16 = 0;
const EXCEPTION: u16 = 1;
const CANCELED: u16 = 2;

const SENDER_HOSTED: u16 = 1;
const SENDER_PROMISE: u16 = 2;
