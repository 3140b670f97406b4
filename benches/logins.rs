//! What it costs to come back: logins by ticket a second, and the memory of sessions that wait.
//!
//! ```text
//! cargo bench --bench logins              # five rounds of 10,000
//! cargo bench --bench logins -- 9 2000    # nine rounds of 2,000
//! ```
//!
//! A login is a connection: Hello and `login.resume` are sent, Welcome and the next ticket come back, and the client
//! closes. Beside it, in the same round, a server straight on tokio sends back as many bytes as came, on connections that
//! are made and closed the same way. The ratio is what gate, watchdog, session, ticket (two HMACs) and dispatch cost.
//! Passwords are not hashed: each user is logged in by a handler that does what a login does after the hash.
//!
//! Servers are children on a core of their own, clients [`CLIENTS`] threads on another, where there are two. Then
//! 10,000 users log in, are answered once, and drop; what the server's resident memory has grown by is theirs.
//! Linux only: it reads `/proc`.

#![allow(clippy::print_stdout, reason = "it prints figures")]

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this bench reads /proc, and so runs on Linux only");
}

#[cfg(target_os = "linux")]
mod linux {
    use portcullis::{
        accounts::{Account, AccountLoginPlugin, AccountsPlugin},
        core::run,
        dispatch::{ReplyCache, ReplyLimits},
        gate::{GatePlugin, MaxConnections},
        native::{ClientCodec, ClientEvent, Manifest, Ticket, login},
        net::ListenerHandle,
        prelude::*,
        session::{begin_with, issue_ticket, resume},
    };
    use rustix::{
        net::sockopt,
        process::{Signal, set_parent_process_death_signal},
        thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    };
    use std::{
        env, fs,
        io::{self, BufRead, BufReader, Read, Write},
        net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
        process::{Child, Command, Stdio},
        sync::Arc,
        thread,
        time::{Duration, Instant},
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const CLIENTS: usize = 4;
    const SESSIONS: usize = 10_000;
    const ENTER: &str = "bench.enter";
    const ECHO: &str = "bench.echo";

    pub fn main() -> io::Result<()> {
        let mut numbers = Vec::new();
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--serve" => return serve(&arguments.next().unwrap_or_default()),
                other => numbers.extend(other.parse::<usize>()),
            }
        }
        let rounds = numbers.first().copied().unwrap_or(5).max(1);
        let logins = numbers.get(1).copied().unwrap_or(10_000).max(CLIENTS);
        let cores = cores()?;
        if let [client, _, ..] = cores[..] {
            pin(client)?;
        }
        let core = cores.get(1).copied();
        let (raw, ours) = (Server::start("raw", core)?, Server::start("portcullis", core)?);
        let manifest = Arc::new(manifest());
        let mut users: Vec<User> = (0..CLIENTS)
            .map(|number| User::enter(ours.address, &manifest, &format!("user {number}")))
            .collect::<io::Result<_>>()?;
        let sizes = users[0].come_back()?;
        println!(
            "{rounds} rounds of {logins} logins, {CLIENTS} clients, {} bytes there and {} back",
            sizes.0, sizes.1
        );
        let mut ratios = Vec::new();
        for round in 1..=rounds {
            let raw_rate = rate(logins, &mut [(); CLIENTS], |()| echo(raw.address, sizes))?;
            let rate = rate(logins, &mut users, |user| user.come_back().map(drop))?;
            ratios.push(rate / raw_rate);
            println!(
                "round {round}: raw {raw_rate:>7.0} a second, logins {rate:>7.0} a second, ratio {:.2}",
                rate / raw_rate
            );
        }
        ratios.sort_by(f64::total_cmp);
        println!("median ratio {:.2}", ratios[ratios.len() / 2]);
        drop((raw, ours));
        memory(&Server::start("portcullis", core)?, &manifest)
    }

    /// The memory of sessions without a connection, each with an account, a ticket, and one answer that is kept.
    fn memory(server: &Server, manifest: &Arc<Manifest>) -> io::Result<()> {
        for number in 0..100 {
            User::enter(server.address, manifest, &format!("first {number}"))?;
        }
        let before = server.resident()?;
        for number in 0..SESSIONS {
            User::enter(server.address, manifest, &format!("waiting {number}"))?;
        }
        let bytes = (server.resident()? - before) as f64 / SESSIONS as f64;
        println!("{SESSIONS} sessions that wait: {bytes:.0} bytes of resident memory each");
        Ok(())
    }

    /// Visits a second, by as many threads as there are visitors.
    fn rate<V: Send>(
        visits: usize,
        visitors: &mut [V],
        visit: impl Fn(&mut V) -> io::Result<()> + Sync,
    ) -> io::Result<f64> {
        let each = visits / visitors.len();
        let began = Instant::now();
        thread::scope(|scope| {
            let visit = &visit;
            let threads: Vec<_> = visitors
                .iter_mut()
                .map(|visitor| scope.spawn(move || (0..each).try_for_each(|_| visit(visitor))))
                .collect();
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| io::ErrorKind::Other)?)
        })?;
        Ok((each * visitors.len()) as f64 / began.elapsed().as_secs_f64())
    }

    /// A user who has a ticket.
    struct User {
        server: SocketAddr,
        manifest: Arc<Manifest>,
        ticket: Ticket,
    }

    impl User {
        /// Logs in, is answered once, and drops.
        fn enter(server: SocketAddr, manifest: &Arc<Manifest>, name: &str) -> io::Result<Self> {
            let mut visit = Visit::new(server, manifest)?;
            let ticket = visit.ask(ENTER, &name.to_owned())?;
            let _: u64 = visit.ask(ECHO, &7u64)?;
            visit.end()?;
            Ok(Self { server, manifest: Arc::clone(manifest), ticket })
        }

        /// Gives how many bytes went there and came back.
        fn come_back(&mut self) -> io::Result<(usize, usize)> {
            let mut visit = Visit::new(self.server, &self.manifest)?;
            self.ticket = visit.ask(login::RESUME, &self.ticket)?;
            visit.end()
        }
    }

    /// One connection.
    struct Visit {
        stream: TcpStream,
        codec: ClientCodec,
        out: Vec<u8>,
        bytes: (usize, usize),
    }

    impl Visit {
        fn new(server: SocketAddr, manifest: &Arc<Manifest>) -> io::Result<Self> {
            let (stream, codec) = (connect(server)?, ClientCodec::new(Arc::clone(manifest)));
            let mut out = Vec::new();
            codec.hello(&mut out).map_err(io::Error::other)?;
            Ok(Self { stream, codec, out, bytes: (0, 0) })
        }

        fn ask<Req: serde::Serialize, Rep: serde::de::DeserializeOwned>(
            &mut self,
            route: &str,
            body: &Req,
        ) -> io::Result<Rep> {
            self.codec.request(&mut self.out, route, body).map_err(io::Error::other)?;
            self.stream.write_all(&self.out)?;
            self.bytes.0 += self.out.len();
            self.out.clear();
            let mut buffer = [0; 1024];
            loop {
                match self.codec.next_event().map_err(io::Error::other)? {
                    Some(ClientEvent::Reply { body, .. }) => return body.decode().map_err(io::Error::other),
                    Some(ClientEvent::Welcome { .. }) => {}
                    Some(other) => return Err(io::Error::other(format!("{other:?}"))),
                    None => {
                        let count = self.stream.read(&mut buffer)?;
                        if count == 0 {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        self.bytes.1 += count;
                        self.codec.feed(&buffer[..count]);
                    }
                }
            }
        }

        fn end(self) -> io::Result<(usize, usize)> {
            self.stream.shutdown(Shutdown::Write)?;
            Ok(self.bytes)
        }
    }

    /// A socket that leaves no port in `TIME_WAIT`: its end is a FIN, which the server sees, and then a reset.
    fn connect(server: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        Ok(stream)
    }

    fn echo(server: SocketAddr, (there, back): (usize, usize)) -> io::Result<()> {
        let mut stream = connect(server)?;
        let mut bytes = vec![0; there.max(back)];
        // How much is to come back goes before.
        bytes[..2].copy_from_slice(&(there as u16).to_be_bytes());
        bytes[2..4].copy_from_slice(&(back as u16).to_be_bytes());
        stream.write_all(&bytes[..there])?;
        stream.read_exact(&mut bytes[..back])?;
        stream.shutdown(Shutdown::Write)
    }

    fn manifest() -> Manifest {
        Manifest::new("logins", 1).request::<String, Ticket>(ENTER).request::<u64, u64>(ECHO).with_login()
    }

    struct Server {
        child: Child,
        address: SocketAddr,
    }

    impl Server {
        fn start(what: &str, core: Option<usize>) -> io::Result<Self> {
            let mut command = Command::new(env::current_exe()?);
            command.args(["--serve", what]).stdin(Stdio::null()).stdout(Stdio::piped());
            if let Some(core) = core {
                command.env("LOGINS_CORE", core.to_string());
            }
            let mut server = Self { child: command.spawn()?, address: (Ipv4Addr::LOCALHOST, 0).into() };
            let stdout = server.child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line)?;
            server.address.set_port(line.trim().parse().map_err(io::Error::other)?);
            Ok(server)
        }

        fn resident(&self) -> io::Result<u64> {
            // What was dropped last is seen to.
            thread::sleep(Duration::from_millis(500));
            let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
            let kib: u64 = line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)?;
            Ok(kib * 1024)
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            // Both fail only if it is gone and reaped already.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }

    fn serve(what: &str) -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if let Some(core) = env::var("LOGINS_CORE").ok().and_then(|core| core.parse().ok()) {
            pin(core)?;
        }
        if what == "raw" { serve_raw() } else { serve_ours() }
    }

    fn serve_raw() -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            println!("{}", listener.local_addr()?.port());
            loop {
                let (mut stream, _) = listener.accept().await?;
                tokio::spawn(async move {
                    let mut bytes = [0; 1024];
                    let mut read = 0;
                    while let Ok(count @ 1..) = stream.read(&mut bytes[read..]).await {
                        read += count;
                        let there = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
                        let back = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
                        if read == there && stream.write_all(&bytes[..back]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        })
    }

    fn serve_ours() -> io::Result<()> {
        let gate = GatePlugin { max_connections: MaxConnections(20_000), ..GatePlugin::default() };
        let login = AccountLoginPlugin { linger: Duration::from_secs(3600), ..AccountLoginPlugin::default() };
        let mut app = App::new();
        app.add_plugins(ServerPlugins.set(NetPlugin { driver: DriverKind::Inline }).set(gate))
            .add_plugins((AccountsPlugin::default(), login))
            .add_plugins(NativePlugin::listen("127.0.0.1:0").name("logins", 1))
            .add_handler(ENTER, enter)
            .add_handler(ECHO, |request: Request<u64>| request.body);
        app.finish();
        app.cleanup();
        let world = app.world_mut();
        let handle = world.query::<&ListenerHandle>().single(world).map_err(io::Error::other)?;
        println!("{}", handle.address().port());
        run(app);
        Ok(())
    }

    /// What a login does when the password was right.
    fn enter(name: Request<String>, world: &mut World) -> Result<Ticket, Refusal> {
        let account = Account { id: 1, name: name.body.clone(), created_at: 0, disabled: false };
        let replies = ReplyCache::new(ReplyLimits { ascending: true, ..ReplyLimits::default() });
        let linger = Duration::from_secs(3600);
        let session = begin_with(world, name.body, "", linger, (account, replies));
        let session = session.map_err(|why| Refusal::from(why.to_string()))?;
        resume(world, name.connection, session).map_err(|why| Refusal::from(why.to_string()))?;
        issue_ticket(world, session).ok_or_else(|| "no session".into())
    }

    /// The cores that this process may use.
    fn cores() -> io::Result<Vec<usize>> {
        let allowed = sched_getaffinity(None)?;
        Ok((0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect())
    }

    fn pin(core: usize) -> io::Result<()> {
        let mut only = CpuSet::new();
        only.set(core);
        Ok(sched_setaffinity(None, &only)?)
    }
}
