//! What this crate writes the library reads, and the other way round.

use adit_wire::connect::put_response;
use adit_wire::{
    ConnectRequest, ConnectResponse, ConnectionType, Intake, Metadata, configuration, registration, session,
};
use bytes::{Bytes, BytesMut};
use capnp::message::{AllocationStrategy, Builder, HeapAllocator, ReaderOptions};
use capnp::traits::HasTypeId;

use crate::schema::calls_capnp as calls;
use crate::schema::connect_capnp as connect;

#[test]
fn ids_agree() {
    assert_eq!(
        calls::registration_server::Client::TYPE_ID,
        registration::INTERFACE
    );
    assert_eq!(calls::session_manager::Client::TYPE_ID, session::INTERFACE);
    assert_eq!(
        calls::configuration_manager::Client::TYPE_ID,
        configuration::INTERFACE
    );
}

/// These are derived from interface and ordinal, so they show that both are upstream's.
#[test]
fn ids_of_parameters_and_results_are_upstreams() {
    assert_eq!(
        calls::registration_server::register_connection_params::Reader::TYPE_ID,
        0xe664_6dec_8fea_a6ee
    );
    assert_eq!(
        calls::registration_server::register_connection_results::Reader::TYPE_ID,
        0xea50_d822_450d_1f17
    );
    assert_eq!(
        calls::registration_server::unregister_connection_params::Reader::TYPE_ID,
        0xf9cb_7f44_31a3_07d0
    );
    assert_eq!(
        calls::registration_server::unregister_connection_results::Reader::TYPE_ID,
        0xb046_e578_094b_1ead
    );
    assert_eq!(
        calls::registration_server::update_local_configuration_params::Reader::TYPE_ID,
        0xc5d6_e311_876a_3604
    );
    assert_eq!(
        calls::registration_server::update_local_configuration_results::Reader::TYPE_ID,
        0xe5ce_ae5d_6897_d7be
    );
    assert_eq!(
        calls::session_manager::register_udp_session_params::Reader::TYPE_ID,
        0x904e_297b_87fb_ecea
    );
    assert_eq!(
        calls::session_manager::register_udp_session_results::Reader::TYPE_ID,
        0x8635_c6b4_f45b_f5cd
    );
    assert_eq!(
        calls::session_manager::unregister_udp_session_params::Reader::TYPE_ID,
        0x96b7_4375_ce9b_0ef6
    );
    assert_eq!(
        calls::session_manager::unregister_udp_session_results::Reader::TYPE_ID,
        0xf24e_c4ab_5891_b676
    );
    assert_eq!(
        calls::configuration_manager::update_configuration_params::Reader::TYPE_ID,
        0xb177_ca25_26a3_ca76
    );
    assert_eq!(
        calls::configuration_manager::update_configuration_results::Reader::TYPE_ID,
        0x9580_9644_8eb3_373e
    );
}

#[test]
fn the_library_reads_requests() {
    let mut out = BytesMut::new();
    request().put(&mut out).expect("it is small");
    let message = capnp::serialize::read_message(&out[PREAMBLE..], ReaderOptions::new()).expect("a message");
    let read = message
        .get_root::<connect::connect_request::Reader<'_>>()
        .expect("a struct");
    assert_eq!(read.get_dest().expect("a text").as_bytes(), request().destination);
    assert_eq!(
        read.get_type().expect("a known one"),
        connect::ConnectionType::Websocket
    );
    assert_eq!(pairs(read.get_metadata().expect("a list")), request().metadata);
}

#[test]
fn the_library_reads_responses() {
    let mut out = BytesMut::new();
    let fields = [(&b"Server"[..], &b"origin"[..]), (b"X", b"\xff")];
    put_response(204, fields.into_iter(), &mut out).expect("it is small");
    let message = capnp::serialize::read_message(&out[PREAMBLE..], ReaderOptions::new()).expect("a message");
    let read = message
        .get_root::<connect::connect_response::Reader<'_>>()
        .expect("a struct");
    assert!(!read.has_error());
    let expected = [
        Metadata::new("HttpStatus", "204"),
        Metadata::new("HttpHeader:Server", "origin"),
        Metadata::new("HttpHeader:X", &b"\xff"[..]),
    ];
    assert_eq!(pairs(read.get_metadata().expect("a list")), expected);
}

/// Small segments make far pointers of most pointers, and double-far ones of some.
#[test]
fn requests_of_the_library_are_read_whatever_their_segments() {
    for words in [1, 2, 3, 5, 8, 64] {
        let mut message = Builder::new(segments_of(words));
        let mut root = message.init_root::<connect::connect_request::Builder<'_>>();
        root.set_dest(std::str::from_utf8(&request().destination).expect("a URL"));
        root.set_type(connect::ConnectionType::Websocket);
        fill(
            root.init_metadata(request().metadata.len() as u32),
            &request().metadata,
        );
        let mut intake = Intake::from(Bytes::from(capnp::serialize::write_message_to_words(&message)));
        let read = ConnectRequest::take(&mut intake);
        assert_eq!(read, Ok(Some(request())), "segments of {words} words");
    }
}

#[test]
fn responses_of_the_library_are_read_whatever_their_segments() {
    let expected = ConnectResponse {
        error: Bytes::from_static(b"no route to host"),
        metadata: request().metadata,
    };
    for words in [1, 2, 3, 5, 8, 64] {
        let mut message = Builder::new(segments_of(words));
        let mut root = message.init_root::<connect::connect_response::Builder<'_>>();
        root.set_error("no route to host");
        fill(
            root.init_metadata(expected.metadata.len() as u32),
            &expected.metadata,
        );
        let mut intake = Intake::from(Bytes::from(capnp::serialize::write_message_to_words(&message)));
        let read = ConnectResponse::take(&mut intake);
        assert_eq!(
            read.as_ref(),
            Ok(&Some(expected.clone())),
            "segments of {words} words"
        );
    }
}

fn request() -> ConnectRequest {
    ConnectRequest {
        destination: Bytes::from_static(b"https://app.example.com/a?b=c"),
        kind: ConnectionType::WebSocket,
        metadata: vec![
            Metadata::new("HttpMethod", "GET"),
            Metadata::new("HttpHeader:Cookie", "a=1"),
            Metadata::new("HttpHeader:Cookie", ""),
        ],
    }
}

fn segments_of(words: u32) -> HeapAllocator {
    HeapAllocator::new()
        .first_segment_words(words)
        .allocation_strategy(AllocationStrategy::FixedSize)
}

fn fill(mut list: capnp::struct_list::Builder<'_, connect::metadata::Owned>, metadata: &[Metadata]) {
    for (index, pair) in metadata.iter().enumerate() {
        let mut element = list.reborrow().get(index as u32);
        element.set_key(std::str::from_utf8(&pair.key).expect("a text"));
        element.set_val(std::str::from_utf8(&pair.value).expect("a text"));
    }
}

fn pairs(list: capnp::struct_list::Reader<'_, connect::metadata::Owned>) -> Vec<Metadata> {
    let text = |text: capnp::Result<capnp::text::Reader<'_>>| text.expect("a text").as_bytes().to_vec();
    list.iter()
        .map(|pair| Metadata::new(text(pair.get_key()), text(pair.get_val())))
        .collect()
}

/// Bytes before the message.
const PREAMBLE: usize = 8;
