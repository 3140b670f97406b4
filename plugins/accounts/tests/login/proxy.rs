//! A proxy that cuts connections off, at any byte.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    thread,
};

pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    /// Whether connections are cut after some bytes.
    cutting: AtomicBool,
    /// Whether nobody gets through.
    barred: AtomicBool,
    over: AtomicBool,
    cuts: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
    random: Mutex<fastrand::Rng>,
}

impl Proxy {
    pub fn new(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            cutting: AtomicBool::new(false),
            barred: AtomicBool::new(false),
            over: AtomicBool::new(false),
            cuts: AtomicU64::new(0),
            open: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                if !accepting.barred.load(Ordering::SeqCst) {
                    accepting.serve(client);
                }
            }
        });
        Self { address, shared }
    }

    /// From now on each connection is cut after some bytes.
    pub fn cut_at_random(&self, cutting: bool) {
        self.shared.cutting.store(cutting, Ordering::SeqCst);
    }

    /// Cuts all, and lets nobody through until it is told otherwise.
    pub fn bar(&self, barred: bool) {
        self.shared.barred.store(barred, Ordering::SeqCst);
        if barred {
            self.cut();
        }
    }

    pub fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        self.cut();
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.server) else { return };
        let left = Arc::new(AtomicI64::new(self.random.lock().unwrap().i64(0..4_000)));
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
            self.open.lock().unwrap().push(stream.try_clone().unwrap());
        }
        let directions = [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
        for (from, to) in directions {
            let (shared, left) = (Arc::clone(self), Arc::clone(&left));
            thread::spawn(move || shared.carry(from, to, &left));
        }
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, left: &AtomicI64) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut through = count;
            if self.cutting.load(Ordering::SeqCst) {
                let before = left.fetch_sub(count as i64, Ordering::SeqCst).max(0) as usize;
                through = count.min(before);
            }
            if to.write_all(&buffer[..through]).is_err() {
                break;
            }
            if through < count {
                self.cuts.fetch_add(1, Ordering::SeqCst);
                let _ = from.shutdown(Shutdown::Both);
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}
