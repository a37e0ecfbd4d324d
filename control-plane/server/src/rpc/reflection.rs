//! Server reflection, so that tools such as grpcurl know the services without the proto files.

use tonic::service::Routes;
use tonic_reflection::server::Builder;

/// Adds both versions of the reflection service.
pub(super) fn mount(routes: Routes) -> Routes {
    let builder =
        || Builder::configure().register_encoded_file_descriptor_set(weir_proto::DESCRIPTORS);
    match (builder().build_v1(), builder().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes.add_service(v1).add_service(v1alpha),
        (Err(error), _) | (_, Err(error)) => {
            // The descriptors are part of the binary, and a test reads them: not seen in practice.
            tracing::error!(%error, "no server reflection");
            routes
        }
    }
}
