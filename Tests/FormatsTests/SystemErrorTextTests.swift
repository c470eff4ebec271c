import Formats
import Foundation
import Testing

@Suite struct SystemErrorTextTests {
  private struct Named: Error, CustomStringConvertible { let description = "the pump is off" }
  private struct Unnamed: Error {}
  private struct Value: Decodable { let inner: [Int] }

  @Test func errorsOfTheSystemAndOfFoundationHaveTheSameWords() {
    let missing = NSError(domain: NSPOSIXErrorDomain, code: Int(ENOENT))
    for error in [
      POSIXError(.ENOENT), CocoaError(.fileReadNoSuchFile), CocoaError(.fileNoSuchFile), missing,
      NSError(domain: NSCocoaErrorDomain, code: 1, userInfo: [NSUnderlyingErrorKey: missing]),
    ] as [any Error] { #expect(SystemErrorText.text(of: error) == "No such file or directory", "\(error)") }
    #expect(SystemErrorText.text(of: POSIXError(.ENOSPC)) == "No space left on device")
    #expect(SystemErrorText.text(of: NSError(domain: "d", code: 7)) == "error 7 of d")
  }

  @Test func realErrorsOfFilesHaveThem() throws {
    #expect(throws: (any Error).self) { try Data(contentsOf: URL(filePath: "/missing/file")) }
    do { _ = try Data(contentsOf: URL(filePath: "/missing/file")) } catch {
      #expect(SystemErrorText.text(of: error) == "No such file or directory")
    }
    do { _ = try FileHandle(forReadingFrom: URL(filePath: "/missing/file")) } catch {
      #expect(SystemErrorText.text(of: error) == "No such file or directory")
    }
    do { try Data([1]).write(to: URL(filePath: "/missing/file")) } catch {
      #expect(SystemErrorText.text(of: error) == "No such file or directory")
    }
    do { _ = try FileManager.default.contentsOfDirectory(atPath: "/missing") } catch {
      #expect(SystemErrorText.text(of: error) == "No such file or directory")
    }
  }

  @Test func otherErrorsDescribeThemselves() {
    #expect(SystemErrorText.text(of: Named()) == "the pump is off")
    #expect(SystemErrorText.text(of: Unnamed()) == "an error of the type Unnamed")
    #expect(SystemErrorText.text(of: CancellationError()) == "cancelled")
  }

  @Test func aValueThatDoesNotDecodeIsNamed() {
    for (json, text) in [
      ("{}", "the value lacks the key 'inner'"), (#"{"inner":["a"]}"#, "'inner.Index 0' has another type"), ("{", "the value is malformed"),
    ] {
      do { _ = try JSONDecoder().decode(Value.self, from: Data(json.utf8)) } catch {
        #expect(SystemErrorText.text(of: error) == text, "\(json)")
      }
    }
  }
}
