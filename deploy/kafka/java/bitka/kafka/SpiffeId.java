package bitka.kafka;

import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.regex.Pattern;

/** Who a certificate is of: exactly one URI name, a SPIFFE ID of our trust domain with the path /ns/NAMESPACE/sa/NAME. */
final class SpiffeId {
  /** The configuration key of broker, principal builder and TLS: the trust domain of the mesh. */
  static final String TRUST_DOMAIN = "spiffe.trust.domain";

  /** GeneralName of type uniformResourceIdentifier, RFC 5280. */
  private static final int URI = 6;
  private static final Pattern TRUST_DOMAIN_NAME = Pattern.compile("[a-z0-9._-]{1,255}");
  private static final String LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";

  private SpiffeId() {}

  /** What an ID of the trust domain looks like. */
  static Pattern patternOf(Object trustDomain) {
    if (!(trustDomain instanceof String name) || !TRUST_DOMAIN_NAME.matcher(name).matches()) {
      throw new org.apache.kafka.common.config.ConfigException(TRUST_DOMAIN, trustDomain, "must be a trust domain");
    }
    return Pattern.compile("spiffe://" + Pattern.quote(name) + "/ns/" + LABEL + "/sa/" + LABEL);
  }

  /** The ID, or the reason why there is none. */
  static String of(X509Certificate certificate, Pattern pattern) throws CertificateException {
    var names = certificate.getSubjectAlternativeNames();
    List<String> uris = names == null
        ? List.of()
        : names.stream().filter(name -> name.get(0).equals(URI)).map(name -> (String) name.get(1)).toList();
    if (uris.size() != 1) throw new CertificateException("the certificate has " + uris.size() + " URI names, not one");
    String id = uris.get(0);
    if (!pattern.matcher(id).matches()) throw new CertificateException("not an identity of this mesh: " + id);
    return id;
  }
}
