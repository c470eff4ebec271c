import Files

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

enum FileCommands {
  /// Locks the file, writes a note and keeps the lock.
  static func holdLock(path: String) throws {
    let lock = try FileLock(path: path)
    try lock.lock(.exclusive)
    try lock.writeNote("pid \(getpid())")
    TestChild.say("locked")
    TestChild.waitForEndOfInput()
    try lock.unlock()
  }

  /// Makes a directory and a file of every kind under the given umask, and prints their permissions in octal.
  static func makeFiles(in directory: String, umask mask: String) throws {
    umask(mode_t(mask, radix: 8) ?? 0)
    try Directories.create("\(directory)/directory")
    _ = try FileHandle(path: "\(directory)/new", access: .createNew)
    _ = try FileHandle(path: "\(directory)/created", access: .create)
    _ = try FileLock(path: "\(directory)/lock")
    var file = try AtomicFile(destination: "\(directory)/atomic")
    try file.append([1])
    try file.commit()
    for name in ["directory", "new", "created", "lock", "atomic"] {
      let permissions = try Directories.status("\(directory)/\(name)")?.permissions ?? 0
      TestChild.say("\(name) \(String(permissions, radix: 8))")
    }
  }

  /// Writes more into a file than its limit of size allows, and prints which error results.
  static func fillFile(_ path: String, limit: String) throws {
    // A write past the limit is an error only if the signal is ignored.
    _ = signal(SIGXFSZ, SIG_IGN)
    let bytes = rlim_t(limit) ?? 0
    var limits = rlimit(rlim_cur: bytes, rlim_max: bytes)
    #if canImport(Glibc)
      guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limits) == 0 else { exit(1) }
    #else
      guard unsafe setrlimit(RLIMIT_FSIZE, &limits) == 0 else { exit(1) }
    #endif
    let file = try FileHandle(path: path, access: .createNew)
    do throws(FileError) {
      try file.writeZeros(from: 0, to: 2 * Int(bytes))
      TestChild.say("written")
    } catch {
      TestChild.say(error.isNoSpace ? "full" : "\(error)")
    }
  }

  /// Maps a file and prints how much address space it got.
  static func mapFile(_ path: String, preferred: String, minimum: String) throws {
    let file = try FileHandle(path: path, access: .read)
    let map = try MemoryMap(file, preferredBytes: Int(preferred) ?? 0, minimumBytes: Int(minimum) ?? 0)
    // SAFETY: the parent has written at least one byte.
    let first = unsafe map.pointer(at: 0, count: 1).load(as: UInt8.self)
    TestChild.say("\(map.reservedBytes) \(first)")
  }
}
