import bitka.kafka.SpiffePrincipalBuilder;
import java.io.FileInputStream;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Map;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.security.auth.PlaintextAuthenticationContext;
import org.apache.kafka.common.security.auth.SslAuthenticationContext;

/** Prints who the principal builder takes the holder of each certificate file for, and whether that survives its wire form. */
class Principals {
  public static void main(String[] files) throws Exception {
    var builder = new SpiffePrincipalBuilder();
    builder.configure(Map.of("spiffe.trust.domain", "bitka.local"));
    var here = InetAddress.getLoopbackAddress();
    print(builder, builder.build(new PlaintextAuthenticationContext(here, "PLAINTEXT")));
    print(builder, builder.build(new SslAuthenticationContext(session(null), here, "SSL")));
    var factory = CertificateFactory.getInstance("X.509");
    for (String file : files) {
      try (var in = new FileInputStream(file)) {
        var session = session(factory.generateCertificate(in));
        print(builder, builder.build(new SslAuthenticationContext(session, here, "SSL")));
      }
    }
  }

  private static void print(SpiffePrincipalBuilder builder, KafkaPrincipal principal) {
    if (!builder.deserialize(builder.serialize(principal)).equals(principal)) throw new AssertionError(principal);
    System.out.println(principal);
  }

  private static SSLSession session(Certificate certificate) {
    return (SSLSession) Proxy.newProxyInstance(
        Principals.class.getClassLoader(), new Class<?>[] {SSLSession.class}, (proxy, method, arguments) -> {
          if (!method.getName().equals("getPeerCertificates")) throw new UnsupportedOperationException(method.getName());
          if (certificate == null) throw new SSLPeerUnverifiedException("no certificate");
          return new Certificate[] {certificate};
        });
  }
}
