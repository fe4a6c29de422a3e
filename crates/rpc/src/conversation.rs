//! Runs one conversation: moves bytes between a stream and the machine in `vat.rs`.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use adit_wire::rpc::Call;
use adit_wire::{Content, Intake, Message, Payload};
use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use crate::error::{CallError, Ended};
use crate::vat::{Event, Failure, Vat};

/// Carries out the calls of a peer.
pub(crate) trait Dispatch: Send + Sync {
    /// Carries out one call, and returns its results or the reason why there are none.
    fn dispatch(&self, call: Call) -> Dispatched<'_>;
}

/// What [`Dispatch::dispatch`] returns.
pub(crate) type Dispatched<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Content>, String>> + Send + 'a>>;

/// Makes calls in a conversation that runs elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Caller(mpsc::Sender<Ask>);

/// A conversation that is about to run.
#[derive(Debug)]
pub(crate) struct Conversation<R, W> {
    reader: R,
    writer: W,
    intake: Intake,
    vat: Vat,
    asks: Option<mpsc::Receiver<Ask>>,
    /// Calls that wait for their answer.
    waiting: Vec<(u32, Reply)>,
    /// Whether bytes were written that may still be in a buffer below.
    unflushed: bool,
    /// Whether the peer's half has ended.
    silent: bool,
}

/// A call that a [`Caller`] wants made.
struct Ask {
    interface: u64,
    method: u16,
    params: Box<dyn Content>,
    reply: Reply,
}

type Reply = oneshot::Sender<Result<Payload, Failure>>;

/// A call of the peer that is being carried out, with its question.
type Running<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send + 'a>>>;

type Done = (u32, Result<Box<dyn Content>, String>);

/// What happened next.
enum Step {
    Sent(io::Result<()>),
    Arrived(io::Result<usize>),
    Asked(Option<Ask>),
    Abandoned(usize),
    Done(Done),
}

/// Bytes that are read at once; most messages are shorter.
const READ: usize = 4 * 1024;

/// Unsent bytes beyond which nothing more is read: a peer that does not listen is not served.
const BACKLOG: usize = 64 * 1024;

/// Calls that are carried out at a time. The edge makes one or two.
const RUNNING: usize = 16;

/// Calls that may wait to be made.
const ASKS: usize = 8;

/// How long a peer may take for the last words.
const FAREWELL: Duration = Duration::from_secs(1);

impl Caller {
    /// Makes a call and waits for its results.
    pub(crate) async fn call(
        &self,
        (interface, method): (u64, u16),
        params: impl Content + 'static,
        limit: Duration,
    ) -> Result<Payload, Failure> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask {
            interface,
            method,
            params: Box::new(params),
            reply,
        };
        let answered = async {
            let asked = self.0.send(ask).await;
            asked.map_err(|_| CLOSED)?;
            answer.await.unwrap_or(Err(CLOSED))
        };
        let timed = tokio::time::timeout(limit, answered).await;
        timed.unwrap_or(Err(Failure::Unanswered(CallError::TimedOut)))
    }
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send> Conversation<R, W> {
    /// Returns a conversation in which this side answers.
    pub(crate) fn answering(intake: Intake, reader: R, writer: W) -> Self {
        Self {
            reader,
            writer,
            intake,
            vat: Vat::new(true),
            asks: None,
            waiting: Vec::new(),
            unflushed: false,
            silent: false,
        }
    }

    /// Returns a conversation in which this side asks, and who does it. The first bytes on the
    /// stream are `opening`.
    pub(crate) fn asking(opening: &[u8], reader: R, writer: W) -> (Caller, Self) {
        let (asks, receiver) = mpsc::channel(ASKS);
        let mut conversation = Self::answering(Intake::new(), reader, writer);
        conversation.vat = Vat::new(false);
        conversation.asks = Some(receiver);
        conversation.vat.outgoing().extend_from_slice(opening);
        (Caller(asks), conversation)
    }

    /// Runs until either side leaves. This side does when all its [`Caller`]s are gone.
    pub(crate) async fn run(mut self, dispatch: Option<&dyn Dispatch>) -> Result<(), Ended> {
        let mut running = Running::new();
        let ended = self.converse(dispatch, &mut running).await;
        let farewell = self.part(&ended).await;
        for (_, reply) in self.waiting.drain(..) {
            tell(reply, Err(unanswered(&ended)));
        }
        // The peer has gone, but what it asked for is not left half done.
        while running.next().await.is_some() {}
        ended.and(farewell)
    }

    /// Runs as [`Self::run`] does, but leaves after `limit`.
    pub(crate) async fn run_within(mut self, dispatch: &dyn Dispatch, limit: Duration) -> Result<(), Ended> {
        let mut running = Running::new();
        let conversed = async {
            let ended = self.converse(Some(dispatch), &mut running).await;
            while running.next().await.is_some() {}
            ended
        };
        let ended = tokio::time::timeout(limit, conversed).await;
        let ended = ended.unwrap_or(Ok(()));
        let farewell = self.part(&ended).await;
        ended.and(farewell)
    }

    async fn converse<'d>(
        &mut self,
        dispatch: Option<&'d dyn Dispatch>,
        running: &mut Running<'d>,
    ) -> Result<(), Ended> {
        if self.asks.is_some() {
            // At once, because the peer sees a stream only when bytes arrive on it.
            self.vat.bootstrap()?;
        }
        loop {
            self.understand(dispatch, running)?;
            if self.silent && running.is_empty() && self.is_sent() {
                return Err(Ended::Closed);
            }
            match self.step(running).await {
                Step::Sent(result) => result?,
                Step::Arrived(count) => self.silent = count? == 0,
                Step::Asked(None) => return Ok(()),
                Step::Asked(Some(ask)) => self.ask(ask),
                Step::Abandoned(index) => {
                    let (question, _) = self.waiting.swap_remove(index);
                    self.vat.give_up(question)?;
                }
                Step::Done((question, result)) => self.answer(question, result)?,
            }
        }
    }

    /// Waits for what happens next. Nothing is lost when it is dropped while it waits.
    async fn step(&mut self, running: &mut Running<'_>) -> Step {
        let sent = self.is_sent();
        let listens = !self.silent && running.len() < RUNNING && self.vat.outgoing().len() < BACKLOG;
        let Self {
            reader,
            writer,
            intake,
            vat,
            asks,
            waiting,
            unflushed,
            ..
        } = self;
        tokio::select! {
            result = send(writer, vat.outgoing(), unflushed), if !sent => Step::Sent(result),
            result = receive(reader, intake.buffer()), if listens => Step::Arrived(result),
            Some(done) = running.next() => Step::Done(done),
            ask = next(asks) => Step::Asked(ask),
            index = abandoned(waiting) => Step::Abandoned(index),
        }
    }

    /// Takes whole messages for as long as there is room for what they ask.
    fn understand<'d>(
        &mut self,
        dispatch: Option<&'d dyn Dispatch>,
        running: &Running<'d>,
    ) -> Result<(), Ended> {
        while running.len() < RUNNING && self.vat.outgoing().len() < BACKLOG {
            let Some(message) = Message::take(&mut self.intake)? else {
                return Ok(());
            };
            match self.vat.receive(&message)? {
                None => (),
                Some(Event::Answered(question, result)) => self.answered(question, result),
                Some(Event::Called(call)) => {
                    let Some(dispatch) = dispatch else { continue };
                    let question = call.question;
                    running.push(Box::pin(async move { (question, dispatch.dispatch(call).await) }));
                }
            }
        }
        Ok(())
    }

    fn ask(&mut self, ask: Ask) {
        match self.vat.call(ask.interface, ask.method, &*ask.params) {
            Ok(question) => self.waiting.push((question, ask.reply)),
            Err(error) => tell(ask.reply, Err(Failure::Unanswered(error))),
        }
    }

    fn answered(&mut self, question: u32, result: Result<Payload, Failure>) {
        let index = self.waiting.iter().position(|(waiting, _)| *waiting == question);
        if let Some(index) = index {
            let (_, reply) = self.waiting.swap_remove(index);
            tell(reply, result);
        }
    }

    fn answer(&mut self, question: u32, result: Result<Box<dyn Content>, String>) -> Result<(), Ended> {
        match result {
            Ok(results) => self.vat.answer(question, Ok(&*results))?,
            Err(reason) => self.vat.answer(question, Err(reason))?,
        }
        Ok(())
    }

    /// Says the last words that go with this end, and closes this side's half.
    async fn part(&mut self, ended: &Result<(), Ended>) -> Result<(), Ended> {
        match ended {
            Ok(()) => self.vat.close()?,
            Err(Ended::Misbehaved(rule)) => self.vat.abort(&rule.to_string())?,
            Err(Ended::Malformed(error)) => self.vat.abort(&error.to_string())?,
            Err(Ended::Aborted(_) | Ended::Closed | Ended::Broken(_) | Ended::TooLarge(_)) => (),
        }
        let farewell = async {
            send(&mut self.writer, self.vat.outgoing(), &mut self.unflushed).await?;
            self.writer.shutdown().await
        };
        match tokio::time::timeout(FAREWELL, farewell).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Ended::Broken(io::ErrorKind::TimedOut.into())),
        }
    }

    fn is_sent(&mut self) -> bool {
        self.vat.outgoing().is_empty() && !self.unflushed
    }
}

async fn send(
    writer: &mut (impl AsyncWrite + Unpin),
    out: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<()> {
    while !out.is_empty() {
        if writer.write_buf(out).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        *unflushed = true;
    }
    writer.flush().await?;
    *unflushed = false;
    Ok(())
}

async fn receive(reader: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(READ);
    reader.read_buf(buffer).await
}

async fn next(asks: &mut Option<mpsc::Receiver<Ask>>) -> Option<Ask> {
    match asks {
        Some(asks) => asks.recv().await,
        None => std::future::pending().await,
    }
}

/// Waits until a caller no longer waits for its answer.
async fn abandoned(waiting: &mut [(u32, Reply)]) -> usize {
    poll_fn(|cx| {
        let mut replies = waiting.iter_mut();
        match replies.position(|(_, reply)| reply.poll_closed(cx).is_ready()) {
            Some(index) => Poll::Ready(index),
            None => Poll::Pending,
        }
    })
    .await
}

fn tell(reply: Reply, result: Result<Payload, Failure>) {
    // A caller that has given up needs no answer.
    drop(reply.send(result));
}

/// Returns what the end of a conversation means for a call that waits.
fn unanswered(ended: &Result<(), Ended>) -> Failure {
    match ended {
        Err(Ended::Aborted(reason)) => Failure::Unanswered(CallError::Aborted(reason.clone())),
        _ => CLOSED,
    }
}

const CLOSED: Failure = Failure::Unanswered(CallError::Closed);

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ask({:#x}.{})", self.interface, self.method)
    }
}
