package bitka.kafka;

import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.Map;
import java.util.regex.Pattern;
import javax.net.ssl.SSLPeerUnverifiedException;
import org.apache.kafka.common.Configurable;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.security.auth.AuthenticationContext;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.security.auth.KafkaPrincipalBuilder;
import org.apache.kafka.common.security.auth.KafkaPrincipalSerde;
import org.apache.kafka.common.security.auth.SslAuthenticationContext;
import org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The SPIFFE ID of a client's certificate is its principal: User:spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/NAME. Whoever has
 * none is anonymous, and no rule allows anything to the anonymous.
 */
public final class SpiffePrincipalBuilder implements KafkaPrincipalBuilder, Configurable {
  private static final Logger LOG = LoggerFactory.getLogger(SpiffePrincipalBuilder.class);
  private final KafkaPrincipalSerde wire = new DefaultKafkaPrincipalBuilder(null, null);
  private Pattern pattern;

  @Override
  public void configure(Map<String, ?> configs) {
    pattern = SpiffeId.patternOf(configs.get(SpiffeId.TRUST_DOMAIN));
  }

  @Override
  public KafkaPrincipal build(AuthenticationContext context) {
    if (!(context instanceof SslAuthenticationContext ssl)) return KafkaPrincipal.ANONYMOUS;
    try {
      if (ssl.session().getPeerCertificates()[0] instanceof X509Certificate certificate) {
        return new KafkaPrincipal(KafkaPrincipal.USER_TYPE, SpiffeId.of(certificate, pattern));
      }
    } catch (SSLPeerUnverifiedException | CertificateException error) {
      LOG.warn("anonymous client at {}: {}", context.clientAddress(), error.getMessage());
    }
    return KafkaPrincipal.ANONYMOUS;
  }

  /**
   * As Kafka itself writes principals: a broker hands them on to a controller, whose own listener may have Kafka's builder
   * (Strimzi's has).
   */
  @Override
  public byte[] serialize(KafkaPrincipal principal) {
    return wire.serialize(principal);
  }

  @Override
  public KafkaPrincipal deserialize(byte[] bytes) throws SerializationException {
    return wire.deserialize(bytes);
  }
}
