import Foundation
import Testing

/// The schema of the configuration, in a validator.
@Suite struct SchemaPeerTests {
    @Test(.timeLimit(.minutes(2)))
    func aValidatorTakesWhatTheDocumentsShow() throws {
        let (code, output, errors) = try Peer(
            try Tools.python(),
            [Tools.peer("schema.py"), try Tools.fieldgw(), Tools.root.path]
        ).finish()
        #expect(code == 0, "\(output)\(errors)")
        #expect(output.contains(" configurations, "))
    }
}
