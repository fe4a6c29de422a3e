//! Sans-IO. One side of a conversation of calls, as a machine.
//!
//! Messages go in by [`Vat::receive`], what comes of one is its event, and what is to be sent
//! gathers in [`Vat::outgoing`]. Only the main interfaces cross: neither side passes a capability
//! along with a call, and one that comes along unasked is given back with the answer.

use std::collections::BTreeMap;

use adit_wire::rpc::{self, Address, Call, Envelope, Finish, Outcome, Return, To};
use adit_wire::{Content, EncodeError, Message, Payload};
use bytes::BytesMut;

use crate::error::{CallError, Ended, Misbehaviour};

/// One side of a conversation.
#[derive(Debug)]
pub(crate) struct Vat {
    out: BytesMut,
    questions: Questions,
    peer: Peer,
    answers: BTreeMap<u32, Answer>,
    /// Whether this side has a main interface to offer.
    offers: bool,
    /// References that the peer holds to it.
    references: u64,
}

/// What came of a message.
#[derive(Debug)]
pub(crate) enum Event {
    /// The peer calls; [`Vat::answer`] wants the result.
    Called(Call),
    /// A question of this side was answered.
    Answered(u32, Result<Payload, Failure>),
}

/// Why a question has no results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The peer says why.
    Exception(String),
    /// It was never asked or not answered, for this reason.
    Unanswered(CallError),
}

/// The main interface of the peer.
#[derive(Debug)]
enum Peer {
    /// Nobody asked for it.
    Unasked,
    /// It was asked for with this question.
    Asked(u32),
    /// It is this import.
    Import(u32),
    /// There is none, for this reason.
    None(String),
}

/// A question of the peer that it has not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// The answer is the main interface.
    Main,
    /// The answer is an exception.
    Failed(String),
    /// A call is being carried out.
    Pending,
    /// A call is being carried out, but nobody waits for it any more.
    Unwanted,
    /// A call was carried out.
    Returned,
}

/// The questions of this side. Ids are recycled last-freed-first.
#[derive(Debug, Default)]
struct Questions {
    open: Vec<Option<Question>>,
    free: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Bootstrap,
    Call,
    /// A call that its caller gave up; it has been finished, its answer is still to come.
    GivenUp,
}

/// The most questions that a peer may have open. The edge has two.
const MAX_ANSWERS: usize = 64;

/// The main interface among the exports of this side.
const MAIN: u32 = 0;

/// Why this side leaves a conversation in good order.
const SHUTDOWN: &str = "rpc: shutdown";

impl Vat {
    /// Returns a side that offers a main interface, or none.
    pub(crate) fn new(offers: bool) -> Self {
        Self {
            out: BytesMut::new(),
            questions: Questions::default(),
            peer: Peer::Unasked,
            answers: BTreeMap::new(),
            offers,
            references: 0,
        }
    }

    /// Returns what is to be sent.
    pub(crate) const fn outgoing(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    /// Asks for the main interface of the peer.
    pub(crate) fn bootstrap(&mut self) -> Result<(), EncodeError> {
        let question = self.questions.ask(Question::Bootstrap);
        self.peer = Peer::Asked(question);
        rpc::put_bootstrap(question, &mut self.out)
    }

    /// Calls a method of the peer's main interface and returns the question.
    pub(crate) fn call(
        &mut self,
        interface: u64,
        method: u16,
        params: &dyn Content,
    ) -> Result<u32, CallError> {
        let to = match &self.peer {
            Peer::Asked(question) => To::Answer(*question),
            Peer::Import(id) => To::Export(*id),
            Peer::None(reason) => return Err(CallError::NoInterface(reason.clone())),
            Peer::Unasked => return Err(CallError::Closed),
        };
        let question = self.questions.ask(Question::Call);
        let address = Address {
            question,
            to,
            interface,
            method,
        };
        let put = rpc::put_call(&address, params, &mut self.out);
        if put.is_err() {
            self.questions.close(question);
        }
        Ok(put.map(|()| question)?)
    }

    /// Stops waiting for the answer to a call.
    pub(crate) fn give_up(&mut self, question: u32) -> Result<(), EncodeError> {
        if !self.questions.give_up(question) {
            return Ok(());
        }
        self.finish(question, true)
    }

    /// Answers a call of the peer.
    pub(crate) fn answer(
        &mut self,
        question: u32,
        result: Result<&dyn Content, String>,
    ) -> Result<(), EncodeError> {
        let put = match result {
            Ok(results) => rpc::put_results(question, results, &mut self.out),
            Err(reason) => rpc::put_exception(question, &reason, &mut self.out),
        };
        if let Err(error) = put {
            rpc::put_exception(question, &error.to_string(), &mut self.out)?;
        }
        match self.answers.get_mut(&question) {
            Some(answer @ Answer::Pending) => *answer = Answer::Returned,
            Some(Answer::Unwanted) => drop(self.answers.remove(&question)),
            Some(Answer::Main | Answer::Failed(_) | Answer::Returned) | None => (),
        }
        Ok(())
    }

    /// Leaves the conversation in good order.
    pub(crate) fn close(&mut self) -> Result<(), EncodeError> {
        if let Peer::Import(id) = self.peer {
            rpc::put_release(id, 1, &mut self.out)?;
            self.peer = Peer::Unasked;
        }
        self.abort(SHUTDOWN)
    }

    /// Leaves the conversation, giving a reason.
    pub(crate) fn abort(&mut self, reason: &str) -> Result<(), EncodeError> {
        rpc::put_abort(reason, &mut self.out)
    }

    /// Takes a message of the peer.
    ///
    /// # Errors
    ///
    /// Fails when the conversation is over: the peer left, or broke a rule.
    pub(crate) fn receive(&mut self, message: &Message) -> Result<Option<Event>, Ended> {
        match Envelope::read(message)? {
            Envelope::Call(call) => return self.called(call),
            Envelope::Return(returned) => return self.returned(returned),
            Envelope::Bootstrap { question } => self.bootstrapped(question)?,
            Envelope::Finish(finish) => self.finished(finish)?,
            Envelope::Release { id, count } => self.released(id, u64::from(count))?,
            Envelope::Abort(exception) => return Err(Ended::Aborted(exception.reason)),
            // Nothing that this side sends can be done without, and a call that the peer does not
            // know runs into its caller's limit.
            Envelope::Unimplemented => (),
            Envelope::Other => rpc::put_unimplemented(message, &mut self.out)?,
        }
        Ok(None)
    }

    fn bootstrapped(&mut self, question: u32) -> Result<(), Ended> {
        if self.offers {
            self.open(question, Answer::Main)?;
            self.references += 1;
            rpc::put_main(question, MAIN, &mut self.out)?;
        } else {
            self.open(question, Answer::Failed(NO_INTERFACE.to_owned()))?;
            rpc::put_exception(question, NO_INTERFACE, &mut self.out)?;
        }
        Ok(())
    }

    fn called(&mut self, call: Call) -> Result<Option<Event>, Ended> {
        let question = call.question;
        match self.refusal(call.to) {
            None => {
                self.open(question, Answer::Pending)?;
                Ok(Some(Event::Called(call)))
            }
            Some(reason) => {
                self.open(question, Answer::Returned)?;
                rpc::put_exception(question, &reason, &mut self.out)?;
                Ok(None)
            }
        }
    }

    /// Returns why a call to this target cannot be carried out.
    fn refusal(&self, to: To) -> Option<String> {
        match to {
            To::Export(MAIN) if self.references > 0 => None,
            To::Answer(question) => match self.answers.get(&question) {
                Some(Answer::Main) => None,
                Some(Answer::Failed(reason)) => Some(reason.clone()),
                Some(Answer::Pending | Answer::Unwanted | Answer::Returned) | None => {
                    Some(NO_TARGET.to_owned())
                }
            },
            To::Export(_) | To::Inside(_) => Some(NO_TARGET.to_owned()),
        }
    }

    fn open(&mut self, question: u32, answer: Answer) -> Result<(), Ended> {
        if self.answers.len() >= MAX_ANSWERS {
            return Err(Ended::Misbehaved(Misbehaviour::TooManyQuestions));
        }
        match self.answers.insert(question, answer) {
            None => Ok(()),
            Some(_) => Err(Ended::Misbehaved(Misbehaviour::QuestionReused)),
        }
    }

    fn finished(&mut self, finish: Finish) -> Result<(), Ended> {
        match self.answers.get_mut(&finish.question) {
            None | Some(Answer::Unwanted) => Err(Ended::Misbehaved(Misbehaviour::UnknownAnswer)),
            Some(answer @ Answer::Pending) => {
                *answer = Answer::Unwanted;
                Ok(())
            }
            Some(Answer::Main | Answer::Failed(_) | Answer::Returned) => {
                let answer = self.answers.remove(&finish.question);
                if finish.release && answer == Some(Answer::Main) {
                    self.released(MAIN, 1)?;
                }
                Ok(())
            }
        }
    }

    fn released(&mut self, id: u32, count: u64) -> Result<(), Ended> {
        let left = self.references.checked_sub(count).filter(|_| id == MAIN);
        self.references = left.ok_or(Ended::Misbehaved(Misbehaviour::UnknownReference))?;
        Ok(())
    }

    fn returned(&mut self, returned: Return) -> Result<Option<Event>, Ended> {
        let question = returned.question;
        match self.questions.close(question) {
            None => Err(Ended::Misbehaved(Misbehaviour::UnknownQuestion)),
            Some(Question::GivenUp) => Ok(None),
            Some(Question::Bootstrap) => {
                self.peer_answered(question, returned.outcome)?;
                Ok(None)
            }
            Some(Question::Call) => {
                let outcome = self.call_answered(question, returned.outcome)?;
                Ok(Some(Event::Answered(question, outcome)))
            }
        }
    }

    fn peer_answered(&mut self, question: u32, outcome: Outcome) -> Result<(), Ended> {
        match outcome {
            Outcome::Results(results) => {
                let main = results.capability()?;
                let main = main.ok_or(Ended::Misbehaved(Misbehaviour::NoCapability))?;
                self.peer = Peer::Import(main);
                Ok(self.finish(question, false)?)
            }
            Outcome::Exception(exception) => {
                self.peer = Peer::None(exception.reason);
                Ok(self.finish(question, true)?)
            }
            Outcome::Canceled | Outcome::Elsewhere => Err(Ended::Misbehaved(Misbehaviour::NoCapability)),
        }
    }

    fn call_answered(&mut self, question: u32, outcome: Outcome) -> Result<Result<Payload, Failure>, Ended> {
        let (result, release) = match outcome {
            Outcome::Results(results) => {
                let release = results.capabilities() > 0;
                (Ok(results), release)
            }
            Outcome::Exception(exception) => (Err(Failure::Exception(exception.reason)), true),
            Outcome::Canceled | Outcome::Elsewhere => (Err(Failure::Exception(NO_RESULTS.to_owned())), true),
        };
        self.finish(question, release)?;
        Ok(result)
    }

    fn finish(&mut self, question: u32, release: bool) -> Result<(), EncodeError> {
        rpc::put_finish(Finish { question, release }, &mut self.out)
    }
}

impl Questions {
    fn ask(&mut self, question: Question) -> u32 {
        if let Some(id) = self.free.pop() {
            self.open[id as usize] = Some(question);
            return id;
        }
        self.open.push(Some(question));
        (self.open.len() - 1) as u32
    }

    /// Marks a call as given up, if it is open.
    fn give_up(&mut self, id: u32) -> bool {
        match self.open.get_mut(id as usize) {
            Some(slot @ Some(Question::Call)) => {
                *slot = Some(Question::GivenUp);
                true
            }
            _ => false,
        }
    }

    /// Frees an id, if it is in use, and returns what it was used for.
    fn close(&mut self, id: u32) -> Option<Question> {
        let question = self.open.get_mut(id as usize)?.take()?;
        self.free.push(id);
        Some(question)
    }
}

const NO_INTERFACE: &str = "rpc: no bootstrap interface";
const NO_TARGET: &str = "rpc: target is not a capability";
const NO_RESULTS: &str = "rpc: call has no results";
