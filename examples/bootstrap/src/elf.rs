//! As much of an ELF file as says whether it can be run here.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::StringTable;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};

use crate::file;

/// What this program is built for.
pub(crate) const OURS: &str = std::env::consts::ARCH;

const OUR_MACHINE: u16 = if cfg!(target_arch = "aarch64") { elf::EM_AARCH64 } else { elf::EM_X86_64 };

/// What a file is.
pub(crate) enum Elf {
    /// No ELF file.
    Other,
    /// An ELF file for another machine.
    Foreign { machine: String },
    /// One for this machine.
    Ours {
        /// What loads it, unless it is static.
        loader: Option<PathBuf>,
        /// Libraries that it wants, by name.
        needed: Vec<String>,
        /// Where it has them looked for first.
        search: Vec<PathBuf>,
    },
}

/// Looks into a file. One that says it is ELF, and is damaged, wants nothing.
pub(crate) fn read(path: &Path) -> io::Result<Elf> {
    let data = file::read(path, u64::MAX)?;
    Ok(match data.get(..20) {
        Some([0x7f, b'E', b'L', b'F', elf::ELFCLASS64, elf::ELFDATA2LSB, .., low, high]) => {
            let machine = u16::from_le_bytes([*low, *high]);
            if machine == OUR_MACHINE { wants(path, &data) } else { Elf::Foreign { machine: name(machine) } }
        }
        Some([0x7f, b'E', b'L', b'F', ..]) => Elf::Foreign { machine: "another kind of machine".to_owned() },
        _ => Elf::Other,
    })
}

fn name(machine: u16) -> String {
    match machine {
        elf::EM_X86_64 => "x86_64".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_RISCV => "riscv64".to_owned(),
        elf::EM_PPC64 => "powerpc64le".to_owned(),
        other => format!("machine {other}"),
    }
}

fn wants(path: &Path, data: &[u8]) -> Elf {
    let (mut loader, mut needed, mut search) = (None, Vec::new(), Vec::new());
    let mut look = || -> object::Result<()> {
        let header = FileHeader64::<LittleEndian>::parse(data)?;
        let endian = header.endian()?;
        let segments = header.program_headers(endian, data)?;
        for segment in segments {
            if let Some(interpreter) = segment.interpreter(endian, data)? {
                loader = Some(PathBuf::from(std::ffi::OsStr::from_bytes(interpreter)));
            }
            let Some(dynamic) = segment.dynamic(endian, data)? else { continue };
            let value = |tag| dynamic.iter().find(|entry| entry.tag(endian) == tag).map(|entry| entry.val(endian));
            let (Some(at), Some(len)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else { continue };
            let found = segments.iter().find_map(|segment| segment.data_range(endian, data, at, len).ok().flatten());
            let strings = StringTable::new(found.unwrap_or_default(), 0, len);
            for entry in dynamic {
                let tag = entry.tag(endian);
                let is_search = tag == elf::DT_RPATH || tag == elf::DT_RUNPATH;
                if tag != elf::DT_NEEDED && !is_search {
                    continue;
                }
                let text = String::from_utf8_lossy(entry.string(endian, strings)?);
                if is_search {
                    search.extend(text.split(':').map(|place| expand(place, path)));
                } else {
                    needed.push(text.into_owned());
                }
            }
        }
        Ok(())
    };
    // What was found before the damage is good.
    let _ = look();
    Elf::Ours { loader, needed, search }
}

/// A place that may be relative to the directory of the program, whose name stands first then.
fn expand(place: &str, program: &Path) -> PathBuf {
    let rest = ORIGIN.iter().find_map(|name| place.strip_prefix(name));
    let Some(rest) = rest else { return place.into() };
    let mut expanded = file::real_path(program).and_then(|path| Some(path.parent()?.to_owned())).unwrap_or_default();
    expanded.as_mut_os_string().push(rest);
    expanded
}

/// What loaders take for the directory of the program.
const ORIGIN: [&str; 2] = ["$ORIGIN", "${ORIGIN}"];
