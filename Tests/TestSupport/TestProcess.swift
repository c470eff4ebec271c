import Foundation

/// Facts about the process in which the tests run.
public enum TestProcess {
  public static var id: Int32 { ProcessInfo.processInfo.processIdentifier }

  /// The path of an executable of this package, which the build puts beside the test bundle.
  public static func executable(_ name: String) throws -> String {
    #if os(Linux)
      let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
      return URL(fileURLWithPath: own).deletingLastPathComponent().path + "/" + name
    #else
      let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") } ?? Bundle.main
      return bundle.bundleURL.deletingLastPathComponent().path + "/" + name
    #endif
  }

  /// Whether a sanitizer runs that needs terabytes of address space for its shadow memory: the address space cannot be limited then.
  public static let hasShadowMemory = hasThreadSanitizer || has("__asan_init")

  /// Whether the thread sanitizer runs: everything takes a multiple of its time and memory, and each process makes and removes a file when
  /// it starts.
  public static let hasThreadSanitizer = has("__tsan_init")

  private static func has(_ symbol: String) -> Bool {
    // SAFETY: the handle is the whole process, the name NUL-terminated; only the presence of the symbol is asked for.
    unsafe dlsym(dlopen(nil, RTLD_NOW), symbol) != nil
  }
}

/// Sets the permission bits of a file.
public func setPermissions(_ path: String, _ permissions: UInt32) throws {
  try FileManager.default.setAttributes([.posixPermissions: Int(permissions)], ofItemAtPath: path)
}
