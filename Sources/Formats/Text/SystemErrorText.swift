import Foundation

/// Errors of other libraries in plain words: those of Foundation have texts for dialogs, or dump their fields.
public enum SystemErrorText {
  /// What was wrong, such as `No such file or directory`: without the name of a file, which the caller knows.
  ///
  /// - Parameter error: Its own `description`, unless it is an error of Foundation or of the standard library's coding.
  public static func text(of error: any Error) -> String {
    switch error {
    case let error as DecodingError: return text(of: error)
    case is EncodingError: return "a value cannot be encoded"
    case is CancellationError: return "cancelled"
    default: break
    }
    guard isOfFoundation(error) else {
      // A cast of the value always succeeds, because any error can become an NSError.
      let describesItself = type(of: error) is any CustomStringConvertible.Type
      return describesItself ? "\(error)" : "an error of the type \(type(of: error))"
    }
    var current: NSError? = error as NSError
    var known: String?
    // The innermost error is the system's own; a chain is no longer than a few.
    for _ in 0..<8 {
      guard let step = current else { break }
      known = text(domain: step.domain, code: step.code) ?? known
      current = step.userInfo[NSUnderlyingErrorKey] as? NSError
    }
    let outer = error as NSError
    return known ?? "error \(outer.code) of \(outer.domain)"
  }

  private static func isOfFoundation(_ error: any Error) -> Bool {
    error is CocoaError || error is POSIXError || error is URLError || type(of: error) is NSError.Type
  }

  private static func text(of error: DecodingError) -> String {
    let (context, fault): (DecodingError.Context, String) =
      switch error {
      case .typeMismatch(_, let context): (context, "has another type")
      case .valueNotFound(_, let context): (context, "is null")
      case .keyNotFound(let key, let context): (context, "lacks the key '\(key.stringValue)'")
      case .dataCorrupted(let context): (context, "is malformed")
      @unknown default: (DecodingError.Context(codingPath: [], debugDescription: ""), "is malformed")
      }
    let path = context.codingPath.map(\.stringValue).joined(separator: ".")
    return "\(path.isEmpty ? "the value" : "'\(path)'") \(fault)"
  }

  /// Nil for an error that is none of the usual ones of files and streams.
  private static func text(domain: String, code: Int) -> String? {
    if domain == NSPOSIXErrorDomain { return POSIXErrorCode(rawValue: Int32(code)).flatMap { systemTexts[$0] } }
    if domain == NSCocoaErrorDomain { return cocoaTexts[CocoaError.Code(rawValue: code)].flatMap { systemTexts[$0] } }
    return nil
  }

  private static let systemTexts: [POSIXErrorCode: String] = [
    .EPERM: "Operation not permitted", .ENOENT: "No such file or directory", .EIO: "Input/output error", .EBADF: "Bad file descriptor",
    .ENOMEM: "Cannot allocate memory", .EACCES: "Permission denied", .EBUSY: "Device or resource busy", .EEXIST: "File exists",
    .ENOTDIR: "Not a directory", .EISDIR: "Is a directory", .EINVAL: "Invalid argument", .EMFILE: "Too many open files",
    .ENFILE: "Too many open files in system", .EFBIG: "File too large", .ENOSPC: "No space left on device",
    .EROFS: "Read-only file system", .EPIPE: "Broken pipe", .ENAMETOOLONG: "File name too long",
    .ELOOP: "Too many levels of symbolic links", .EDQUOT: "Disk quota exceeded", .ENXIO: "No such device or address",
    .EAGAIN: "Resource temporarily unavailable",
  ]

  private static let cocoaTexts: [CocoaError.Code: POSIXErrorCode] = [
    .fileNoSuchFile: .ENOENT, .fileReadNoSuchFile: .ENOENT, .fileReadNoPermission: .EACCES, .fileWriteNoPermission: .EACCES,
    .fileWriteFileExists: .EEXIST, .fileWriteOutOfSpace: .ENOSPC, .fileWriteVolumeReadOnly: .EROFS, .fileReadUnknown: .EIO,
    .fileWriteUnknown: .EIO, .fileReadInvalidFileName: .ENAMETOOLONG, .fileWriteInvalidFileName: .ENAMETOOLONG,
    .fileReadTooLarge: .EFBIG,
  ]
}
