use portcullis_core::*;
use portcullis_testkit::TestServer;
use std::time::Instant;
#[test]
fn prof() {
    let mut server = TestServer::new(());
    let _c: Vec<_> = (0..1000).map(|_| server.connect()).collect();
    let t = Instant::now();
    for _ in 0..1000 {
        server.world_mut().run_schedule(Ingress);
    }
    eprintln!("ingress {:?}", t.elapsed() / 1000);
    let t = Instant::now();
    for _ in 0..1000 {
        server.world_mut().resource_mut::<ActiveDriver>().0.poll();
    }
    eprintln!("poll {:?}", t.elapsed() / 1000);
    let t = Instant::now();
    for _ in 0..1000 {
        server.settle();
    }
    eprintln!("settle {:?}", t.elapsed() / 1000);
    let l = server.listener();
    let t = Instant::now();
    let v: Vec<_> = (0..1000).map(|_| server.connect_raw(l)).collect();
    eprintln!("raw {:?}", t.elapsed() / 1000);
    drop(v);
    let t = Instant::now();
    server.settle();
    eprintln!("settle {:?}", t.elapsed());
    let t = Instant::now();
    let v = server.together(|| ());
    let _ = v;
    let _ = t;
}
