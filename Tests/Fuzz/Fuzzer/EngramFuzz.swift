import CLibFuzzer
import Foundation

/// `EngramFuzz TARGET [libFuzzer's arguments]`: feeds one target, or runs it over the files that are named.
@main enum EngramFuzz {
  nonisolated(unsafe) private static var target = FuzzTarget.cbor

  static func main() {
    guard CommandLine.argc > 1, let name = unsafe CommandLine.unsafeArgv[1], let chosen = unsafe FuzzTarget(rawValue: String(cString: name))
    else {
      print(FuzzTarget.allCases.map(\.rawValue).joined(separator: "\n"))
      exit(CommandLine.argc > 1 ? 64 : 0)
    }
    // SAFETY: set here, before libFuzzer calls anything, and never again.
    unsafe target = chosen
    // libFuzzer does not know the target's name: it takes the place of the program's own.
    var count = CommandLine.argc - 1
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv + 1
    let code = unsafe withUnsafeMutablePointer(to: &arguments) { arguments in
      // SAFETY: the arguments of the process live as long as it; the rebound pointer differs only in being optional.
      unsafe LLVMFuzzerRunDriver(&count, arguments) { data, size in
        EngramFuzz.run(unsafe Array(UnsafeBufferPointer(start: data, count: size)))
      }
    }
    exit(code)
  }

  private static func run(_ input: [UInt8]) -> Int32 {
    do {
      unsafe try target.run(input)
      return 0
    } catch {
      FileHandle.standardError.write(Data("VIOLATION \(error)\n".utf8))
      abort()
    }
  }
}
