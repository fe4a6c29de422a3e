//! The loop with connections that have no network.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

use super::*;
use crate::dice::Dice;
use crate::settings::{Family, Protocol};
use crate::supervisor::{Routes, Terms};

/// Connections that register at once and leave when they are asked to.
struct Scripted {
    fate: Fate,
    registered: watch::Sender<BTreeSet<u8>>,
    lives: Mutex<Vec<Dial>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Every connection lives until it is asked to leave.
    Long,
    /// The first life of connection 1 ends in a panic.
    Panic,
    /// The edge refuses for good.
    Rejected,
}

struct Entry<'a>(&'a Scripted, u8);

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.0.registered.send_modify(|registered| {
            registered.remove(&self.1);
        });
    }
}

impl Connections for Scripted {
    async fn live(self: Arc<Self>, dial: Dial, mut reporter: Reporter, leave: CancellationToken) -> Ended {
        let index = dial.index;
        let again = {
            let mut lives = self.lives.lock().expect("nobody panics here");
            lives.push(dial);
            lives.iter().filter(|life| life.index == index).count() > 1
        };
        reporter.reached().await;
        if self.fate == Fate::Rejected {
            return Ended::Rejected {
                cause: "gone".to_owned(),
            };
        }
        reporter.registered().await;
        assert!(self.fate != Fate::Panic || index != 1 || again, "as planned");
        self.registered.send_modify(|registered| {
            registered.insert(index);
        });
        let _entry = Entry(&self, index);
        leave.cancelled().await;
        reporter.unregistered().await;
        Ended::Drained
    }

    async fn discover(self: Arc<Self>) -> Result<Discovered, String> {
        let region = |third: u8| {
            (1..=3)
                .map(|last| ([198, 51, third, last], 7844).into())
                .collect()
        };
        Ok(Discovered {
            regions: [region(1), region(2)],
            routes: Routes::default(),
        })
    }

    async fn shares(self: Arc<Self>) -> Result<Percentages, String> {
        Ok(Percentages::default())
    }

    fn tell(&self, _: &Line) {}
}

fn driver(fate: Fate) -> (Driver<Scripted>, Arc<Scripted>) {
    let scripted = Arc::new(Scripted {
        fate,
        registered: watch::Sender::new(BTreeSet::new()),
        lives: Mutex::new(Vec::new()),
    });
    let terms = Terms {
        connections: 4,
        retries: 5,
        address_retries: 8,
        grace: Duration::from_secs(30),
        give_up: false,
        family: Family::Auto,
        protocol: Protocol::Auto { token: false },
        account: String::new(),
    };
    let supervisor = Supervisor::new(Instant::now(), terms, Dice::new(1));
    (Driver::new(Arc::clone(&scripted), supervisor), scripted)
}

async fn all_registered(scripted: &Scripted) {
    let mut registered = scripted.registered.subscribe();
    let all = registered.wait_for(|registered| registered.len() == 4).await;
    assert!(all.is_ok());
}

#[tokio::test]
async fn all_connections_register_and_leave() {
    let (driver, scripted) = driver(Fate::Long);
    let drain = CancellationToken::new();
    let watched = async {
        all_registered(&scripted).await;
        drain.cancel();
    };
    let (outcome, ()) = tokio::join!(driver.run(drain.clone()), watched);
    assert_eq!(outcome, Outcome::Drained);
    assert!(scripted.registered.borrow().is_empty());
}

#[tokio::test]
async fn a_panic_costs_one_connection_which_comes_back() {
    let (driver, scripted) = driver(Fate::Panic);
    let drain = CancellationToken::new();
    let watched = async {
        all_registered(&scripted).await;
        drain.cancel();
    };
    let (outcome, ()) = tokio::join!(driver.run(drain.clone()), watched);
    assert_eq!(outcome, Outcome::Drained);
    assert_eq!(scripted.lives.lock().expect("no panic holds it").len(), 5);
}

#[tokio::test]
async fn a_definite_refusal_is_the_end() {
    let (driver, _) = driver(Fate::Rejected);
    let cause = "gone".to_owned();
    assert_eq!(
        driver.run(CancellationToken::new()).await,
        Outcome::Rejected { cause }
    );
}

#[tokio::test]
async fn a_dropped_driver_takes_its_connections_with_it() {
    let (driver, scripted) = driver(Fate::Long);
    tokio::select! {
        _ = driver.run(CancellationToken::new()) => panic!("nobody asked for a drain"),
        () = all_registered(&scripted) => {}
    }
    let mut registered = scripted.registered.subscribe();
    assert!(registered.wait_for(BTreeSet::is_empty).await.is_ok());
}

#[tokio::test]
async fn a_broken_connection_is_made_again_on_request() {
    let (driver, scripted) = driver(Fate::Long);
    let orders = driver.orders();
    let drain = CancellationToken::new();
    let watched = async {
        all_registered(&scripted).await;
        orders.reconnect(Duration::ZERO).await;
        let mut registered = scripted.registered.subscribe();
        assert!(
            registered
                .wait_for(|registered| registered.len() == 3)
                .await
                .is_ok()
        );
        all_registered(&scripted).await;
        drain.cancel();
    };
    let (outcome, ()) = tokio::join!(driver.run(drain.clone()), watched);
    assert_eq!(outcome, Outcome::Drained);
}
