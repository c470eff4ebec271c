#if os(Linux)
  import Foundation

  /// A small tmpfs for one test, unmounted when the value is released. Only root can mount one, on Linux.
  package final class SmallDisk {
    package let path: String
    private let directory = TemporaryDirectory()

    /// Whether this process may mount: otherwise tests that need it are reported as skipped.
    package static let isPossible = (try? SmallDisk(megabytes: 1)) != nil

    package struct Failure: Error {
      let call: String
      let code: Int32
    }

    package init(megabytes: Int) throws {
      path = directory.path("disk")
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      guard unsafe mount("none", path, "tmpfs", 0, "size=\(megabytes)m,mode=0700") == 0 else { throw Failure(call: "mount", code: errno) }
    }

    // MNT_DETACH also works while a process that a test left behind has a file open there.
    deinit { unsafe _ = umount2(path, Int32(MNT_DETACH)) }

    package func path(_ name: String) -> String { "\(path)/\(name)" }

    private var filler: String { path("filler") }

    /// Fills the disk up to `blocks` free blocks of 4 KiB.
    package func fill(leavingBlocks blocks: Int = 0) throws {
      let file = unsafe open(filler, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      guard file >= 0 else { throw Failure(call: "open", code: errno) }
      defer { close(file) }
      let block = [UInt8](repeating: 1, count: 4096)
      // SAFETY: write reads the array's own bytes.
      while lseek(file, 0, SEEK_END) >= 0, unsafe block.withUnsafeBytes({ unsafe write(file, $0.baseAddress!, $0.count) }) == 4096 {}
      guard errno == ENOSPC else { throw Failure(call: "write", code: errno) }
      let size = lseek(file, 0, SEEK_END)
      guard ftruncate(file, max(0, size / 4096 - off_t(blocks)) * 4096) == 0 else { throw Failure(call: "ftruncate", code: errno) }
    }

    /// Mounts the disk read-only again.
    package func makeReadOnly() throws {
      // MS_REMOUNT and MS_RDONLY.
      guard unsafe mount("none", path, "tmpfs", 32 | 1, nil) == 0 else { throw Failure(call: "mount", code: errno) }
    }

    package func makeRoom() throws { try FileManager.default.removeItem(atPath: filler) }
  }
#endif
