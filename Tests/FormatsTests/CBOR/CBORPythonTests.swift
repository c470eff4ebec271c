import Foundation
import TestSupport
import Testing

@testable import Formats

/// Interoperation with another implementation: PyPI's cbor2, in a Python process.
///
/// `ENGRAM_PYTHON` names the Python; without it, `python3` from the path is used.
struct CBORPythonTests {
  struct PythonFailure: Error, CustomStringConvertible {
    let description: String
  }

  /// One answer for each command: `encode EXPRESSION` (canonical, as hexadecimal), `indefinite EXPRESSION`, `decode HEX` (as `repr`),
  /// `recode HEX`.
  private func python(_ commands: [String]) throws -> [String] {
    let script = """
      import sys
      try:
          import cbor2
      except ImportError:
          sys.exit(3)
      import datetime, decimal, uuid
      from cbor2 import CBORSimpleValue, CBORTag, undefined
      answers = []
      for line in sys.stdin.read().splitlines():
          verb, _, rest = line.partition(" ")
          if verb == "encode":
              answers.append(cbor2.dumps(eval(rest), canonical=True, datetime_as_timestamp=True).hex())
          elif verb == "indefinite":
              answers.append(cbor2.dumps(eval(rest), indefinite_containers=True).hex())
          elif verb == "decode":
              answers.append(repr(cbor2.loads(bytes.fromhex(rest))))
          else:
              answers.append(cbor2.dumps(cbor2.loads(bytes.fromhex(rest)), canonical=True).hex())
      print("\\n".join(answers))
      """
    let name = ProcessInfo.processInfo.environment["ENGRAM_PYTHON"] ?? "python3"
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [name, "-X", "utf8", "-c", script]
    // The input is a file and not a pipe: a process that ends early must be reported by its status, not by a broken pipe.
    let directory = TemporaryDirectory()
    let input = URL(filePath: directory.path("commands"))
    try commands.joined(separator: "\n").write(to: input, atomically: false, encoding: .utf8)
    process.standardInput = try FileHandle(forReadingFrom: input)
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let answers = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    switch process.terminationStatus {
    case 0: return answers.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    case 3:
      throw PythonFailure(
        description: "'\(name)' has no cbor2: run `pip install cbor2`, or set ENGRAM_PYTHON to a Python that has it")
    case 127:
      throw PythonFailure(description: "'\(name)' is not installed: install Python 3 and run `pip install cbor2`, or set ENGRAM_PYTHON")
    default: throw PythonFailure(description: "'\(name)' ended with status \(process.terminationStatus)")
    }
  }

  struct Person: Codable, Equatable {
    var name = "Ünal"
    var age = 41
    var ratio = 0.5
    var tags = ["x", "水"]
    var isKind = true
    var byNumber = [7: "seven", -1: "minus"]
    var data = Data([1, 255])
    var nothing: [Int?] = [nil]
  }

  @Test func pythonReadsWhatSwiftWrites() throws {
    let encoder = CBOREncoder()
    let uuid = try #require(UUID(uuidString: "00112233-4455-6677-8899-AABBCCDDEEFF"))
    let pairs: [([UInt8], String)] = [
      (
        try encoder.encode(Person()),
        #"{'age': 41, 'data': b'\x01\xff', 'name': 'Ünal', 'tags': ['x', '水'], 'ratio': 0.5, 'isKind': True, "#
          + #"'nothing': [None], 'byNumber': {7: 'seven', -1: 'minus'}}"#
      ),
      (
        try encoder.encode([Int64.min, -1, 0, 23, 24, 255, 256, 65536, .max]),
        "[-9223372036854775808, -1, 0, 23, 24, 255, 256, 65536, 9223372036854775807]"
      ),
      (try encoder.encode([UInt128.max]), "[340282366920938463463374607431768211455]"),
      (try encoder.encode([Int128.min]), "[-170141183460469231731687303715884105728]"),
      (try encoder.encode([0.1, 1.5, -0.0, 65504, 1e300, .infinity]), "[0.1, 1.5, -0.0, 65504.0, 1e+300, inf]"),
      (try encoder.encode([Double.nan]), "[nan]"),
      (
        try encoder.encode(Date(timeIntervalSince1970: 1_363_896_240)),
        "datetime.datetime(2013, 3, 21, 20, 4, tzinfo=datetime.timezone.utc)"
      ),
      (
        try encoder.encode(Date(timeIntervalSince1970: 1_363_896_240.5)),
        "datetime.datetime(2013, 3, 21, 20, 4, 0, 500000, tzinfo=datetime.timezone.utc)"
      ),
      (try encoder.encode(uuid), "UUID('00112233-4455-6677-8899-aabbccddeeff')"),
      (try encoder.encode(Decimal(string: "-12.34")), "Decimal('-12.34')"),
    ]
    let answers = try python(pairs.map { "decode " + cborHex($0.0) })
    #expect(answers.count == pairs.count)
    for (pair, answer) in zip(pairs, answers) { #expect(answer == pair.1) }
  }

  @Test func pythonWritesTheSameBytesAsSwift() throws {
    let encoder = CBOREncoder()
    let uuid = try #require(UUID(uuidString: "00112233-4455-6677-8899-AABBCCDDEEFF"))
    let pairs: [([UInt8], String)] = [
      (
        try encoder.encode([0, 23, 24, 255, 256, 65535, 65536, 1 << 32, -1, -24, -25, -256, -257, .min, .max]),
        "[0, 23, 24, 255, 256, 65535, 65536, 2**32, -1, -24, -25, -256, -257, -2**63, 2**63-1]"
      ),
      (try encoder.encode([UInt128(1) << 64, .max]), "[2**64, 2**128-1]"),
      (try encoder.encode([Int128.min]), "[-2**127]"),
      (
        try encoder.encode([
          0, -0.0, 1.5, 0.1, 65504, 65505, 65520, 1e-7, 5.960464477539063e-8, 6.0e-8, 3.4e38, 3.4028234663852886e+38, 1e300,
        ]),
        "[0.0, -0.0, 1.5, 0.1, 65504.0, 65505.0, 65520.0, 1e-7, 5.960464477539063e-8, 6.0e-8, 3.4e38, 3.4028234663852886e+38, 1e300]"
      ),
      (try encoder.encode([Double.infinity, -.infinity, .nan]), "[float('inf'), -float('inf'), float('nan')]"),
      (try encoder.encode(["", "a", "ü水𐅑", String(repeating: "x", count: 300)]), "['', 'a', 'ü水𐅑', 'x' * 300]"),
      (try encoder.encode(Data(0...255)), "bytes(range(256))"),
      (try encoder.encode(["z": 1, "aa": 2, "b": 3]), "{'z': 1, 'aa': 2, 'b': 3}"),
      (try encoder.encode([500: "x", 1: "y", 30: "z"]), "{500: 'x', 1: 'y', 30: 'z'}"),
      (
        try encoder.encode(Person(byNumber: [7: "seven", 1: "one"])),
        "{'name': 'Ünal', 'age': 41, 'ratio': 0.5, 'tags': ['x', '水'], 'isKind': True, 'byNumber': {7: 'seven', 1: 'one'}, "
          + #"'data': b'\x01\xff', 'nothing': [None]}"#
      ),
      (try encoder.encode(uuid), "uuid.UUID('00112233445566778899aabbccddeeff')"),
      (try encoder.encode(Decimal(string: "-12.34")), "decimal.Decimal('-12.34')"),
      (
        try encoder.encode(Date(timeIntervalSince1970: 1_363_896_240)),
        "datetime.datetime(2013, 3, 21, 20, 4, tzinfo=datetime.timezone.utc)"
      ),
      (try encoder.encode(Date(timeIntervalSince1970: -86_400)), "datetime.datetime(1969, 12, 31, tzinfo=datetime.timezone.utc)"),
      (
        try cborEncoding(of: .array([.undefined, .simple(19), .simple(255), .tag(4711, .text("x"))])),
        "[undefined, CBORSimpleValue(19), CBORSimpleValue(255), CBORTag(4711, 'x')]"
      ),
    ]
    let answers = try python(pairs.map { "encode " + $0.1 })
    #expect(answers.count == pairs.count)
    for (pair, answer) in zip(pairs, answers) { #expect(cborHex(pair.0) == answer, "\(pair.1)") }
  }

  @Test func swiftReadsWhatPythonWrites() throws {
    let person =
      "{'name': 'Ünal', 'age': 41.0, 'ratio': 0.5, 'tags': ('x', '水'), 'isKind': True, 'byNumber': {7: 'seven', '-1': 'minus'}, "
      + #"'data': b'\x01\xff', 'nothing': [None], 'unknown': [{(1, 2): CBORTag(9, 1)}]}"#
    let answers = try python(["encode " + person, "indefinite " + person])
    #expect(answers.count == 2 && answers[0] != answers[1])
    for answer in answers { #expect(try CBORDecoder().decode(Person.self, from: cborBytes(hex: answer)) == Person()) }
  }

  /// Python decodes random trees and encodes them canonically, which must give the same bytes.
  @Test func pythonRecodesRandomTreesUnchanged() throws {
    var generator = CBORTreeGenerator(seed: 41, isPortable: true)
    let encodings = try (0..<2_000).map { _ in cborHex(try cborEncoding(of: generator.tree())) }
    let answers = try python(encodings.map { "recode " + $0 })
    #expect(answers.count == encodings.count)
    for (expected, answer) in zip(encodings, answers) { #expect(answer == expected) }
  }
}
