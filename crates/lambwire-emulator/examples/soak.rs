//! Many invocations, eight at a time, through the emulator and lambwire-smol: each is answered once and with the right
//! bytes, and neither process grows.
//!
//! `soak [COUNT] [SEED]`. What an event says first is how it is to be answered: whole or as a stream, well or with a
//! failure. The function is this program, too.

use std::env;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::process::{Command, exit};
use std::time::Instant;

use fastrand::Rng;
use lambwire_emulator::{Console, Emulator, Event, Outcome, Running, limits};
use lambwire_smol::lambwire::{Context, ENV_RUNTIME_API};
use lambwire_smol::{Failure, Response, max_concurrency, serve_concurrent};
use smol::{LocalExecutor, stream};
use uuid::Uuid;

type Anything = Box<dyn Error>;

/// Invocations at a time.
const CONCURRENCY: usize = 8;

/// Invocations in all, unless it is said.
const COUNT: usize = 100_000;

/// Invocations before memory is looked at for the first time.
const WARM_UP: usize = 1000;

/// Events with which every caller begins that are of the largest size, so that as much memory has been needed at a time
/// as ever will be.
const LARGEST_FIRST: usize = 10;

/// Largest event, in bytes.
const LARGEST: usize = 256 * 1024;

/// Of so many events, one is of the largest size.
const LARGEST_OF: usize = 25;

/// By how much the function's memory may differ between the two looks, in percent.
const FUNCTION_PERCENT: u64 = 10;

/// By how much that of this process may, which is emulator and callers in one, in kB: the allocator may or may not keep
/// what a round of the largest events has taken. With 100,000 invocations, that is 20 bytes for each.
const EMULATOR_KB: u64 = (CONCURRENCY * LARGEST / 1024) as u64;

/// Bytes that a stream sends at a time.
const PIECE: usize = 10_000;

/// The media type of answers.
const BYTES: &str = "application/octet-stream";

/// The event that asks for the memory of the function.
const MEMORY: &[u8] = b"memory";

/// Says that this process is the function.
const FUNCTION: &str = "function";

fn main() -> Result<(), Anything> {
    let mut arguments = env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some(FUNCTION) {
        return smol::block_on(function());
    }
    let count = first.map_or(Ok(COUNT), |count| count.parse())?;
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    smol::block_on(soak(count.max(WARM_UP), seed))
}

async fn soak(count: usize, seed: u64) -> Result<(), Anything> {
    println!("{count} invocations, {CONCURRENCY} at a time, seed {seed}");
    let mut program = Command::new(env::current_exe()?);
    program.arg(FUNCTION);
    let emulator = Emulator::new(program).console(Console::Silent).concurrency(CONCURRENCY);
    let emulator = emulator.timeout(limits::MAX_TIMEOUT).start()?;
    let share = count / CONCURRENCY;
    let mut callers: Vec<Caller> = (0..CONCURRENCY).zip(seed..).map(|(_, seed)| Caller::new(seed, share)).collect();
    let begun_at = Instant::now();
    call_all(&emulator, &mut callers, WARM_UP / CONCURRENCY).await?;
    let before = Memory::now(&emulator).await?;
    call_all(&emulator, &mut callers, share - WARM_UP / CONCURRENCY).await?;
    let after = Memory::now(&emulator).await?;
    let duration = begun_at.elapsed();

    let mut ids: Vec<u128> = callers.iter().flat_map(|caller| &caller.ids).copied().collect();
    let answered = ids.len();
    ids.sort_unstable();
    ids.dedup();
    println!("{answered} answers to {} ids in {:.1} s", ids.len(), duration.as_secs_f64());
    if ids.len() != answered {
        return Err("an id was answered twice".into());
    }
    check_memory("function", before.function_kb, after.function_kb, before.function_kb * FUNCTION_PERCENT / 100)?;
    check_memory("emulator", before.emulator_kb, after.emulator_kb, EMULATOR_KB)
}

fn check_memory(name: &str, before_kb: u64, after_kb: u64, allowed_kb: u64) -> Result<(), Anything> {
    println!("{name}: {before_kb} kB after {WARM_UP}, {after_kb} kB at the end");
    if before_kb.abs_diff(after_kb) > allowed_kb {
        return Err(format!("memory of the {name} differs by more than {allowed_kb} kB").into());
    }
    Ok(())
}

/// Who sends events, and has them answered.
struct Caller {
    rng: Rng,
    /// The invocations that were answered.
    ids: Vec<u128>,
}

impl Caller {
    fn new(seed: u64, share: usize) -> Self {
        // Written to once, so that the memory is there before it is looked at.
        let mut ids = vec![u128::MAX; share];
        ids.clear();
        Self { rng: Rng::with_seed(seed), ids }
    }

    async fn call(&mut self, emulator: &Running, count: usize) -> Result<(), Anything> {
        for _ in 0..count {
            let event = self.event();
            let answer = emulator.invoke(Event::new(event.as_slice())).await?;
            let id = answer.request_id;
            let is_right = match How::of(&event) {
                How::Whole | How::Streamed => answer.outcome == Outcome::Success && answer.body == event,
                How::Failed | How::Broken => {
                    let report: serde_json::Value = serde_json::from_slice(&answer.body)?;
                    answer.outcome == Outcome::Failure && report["errorMessage"] == digest(&event)
                }
            };
            if !is_right {
                return Err(format!("{id}: wrong answer to {} bytes: {:?}", event.len(), answer.outcome).into());
            }
            self.ids.push(Uuid::parse_str(&id)?.as_u128());
        }
        Ok(())
    }

    /// An event of a size between nothing and the largest, small ones being the most frequent.
    fn event(&mut self) -> Vec<u8> {
        let is_largest = self.ids.len() < LARGEST_FIRST || self.rng.usize(..LARGEST_OF) == 0;
        let most = LARGEST >> self.rng.u32(..=LARGEST.ilog2());
        let len = if is_largest { LARGEST } else { self.rng.usize(..=most) };
        let mut event = vec![0; len];
        self.rng.fill(&mut event);
        event
    }
}

async fn call_all(emulator: &Running, callers: &mut [Caller], count: usize) -> Result<(), Anything> {
    let executor = LocalExecutor::new();
    let calls: Vec<_> = callers.iter_mut().map(|caller| executor.spawn(caller.call(emulator, count))).collect();
    let all = async {
        for call in calls {
            call.await?;
        }
        Ok(())
    };
    executor.run(all).await
}

/// How much memory both processes have.
struct Memory {
    function_kb: u64,
    emulator_kb: u64,
}

impl Memory {
    async fn now(emulator: &Running) -> Result<Self, Anything> {
        let function = emulator.invoke(Event::new(MEMORY)).await?;
        Ok(Self { function_kb: str::from_utf8(&function.body)?.parse()?, emulator_kb: memory_kb()? })
    }
}

/// The memory of this process, in kB.
fn memory_kb() -> Result<u64, Anything> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no memory in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// How an event is to be answered.
enum How {
    Whole,
    Streamed,
    /// With a report.
    Failed,
    /// With a stream that fails on the way.
    Broken,
}

impl How {
    fn of(event: &[u8]) -> Self {
        match event.first().map(|byte| byte % 10) {
            Some(5..=7) => Self::Streamed,
            Some(8) => Self::Failed,
            Some(9) => Self::Broken,
            _ => Self::Whole,
        }
    }
}

/// What a failure says, so that it is known which event it answers.
fn digest(event: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(event);
    format!("{} bytes, {:016x}", event.len(), hasher.finish())
}

/// Responses as many invocations at a time as it may, until the emulator has had enough.
async fn function() -> Result<(), Anything> {
    let api = env::var(ENV_RUNTIME_API)?;
    // Any error ends the function, and thereby fails what is under way.
    let observe = |context: &Context<'_>, error: &lambwire_smol::Error| {
        eprintln!("{}: {error}", context.request_id);
        exit(1);
    };
    let error = serve_concurrent(&api, max_concurrency(), async |event, _| answer(event), observe).await;
    Err(error.into())
}

fn answer(event: &[u8]) -> Result<Response<'_>, Failure> {
    if event == MEMORY {
        let memory = memory_kb().map_err(|error| Failure::new("Function.NoMemory", error.to_string()))?;
        return Ok(memory.to_string().into());
    }
    let failure = || Failure::new("Function.AskedToFail", digest(event));
    let pieces = event.chunks(PIECE).map(|piece| Ok(piece.to_vec()));
    match How::of(event) {
        How::Whole => Ok(Response::new(BYTES, event)),
        How::Streamed => Ok(Response::stream(BYTES, Box::pin(stream::iter(pieces)))),
        How::Failed => Err(failure()),
        How::Broken => Ok(Response::stream(BYTES, Box::pin(stream::iter(pieces.chain([Err(failure())]))))),
    }
}
