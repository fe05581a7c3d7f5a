//! Lambda's operations, each in a file of its name.

mod add_permission;
mod create_function;
mod delete_function;
mod get_account_settings;
mod get_function;
mod get_function_configuration;
mod get_policy;
mod invoke;
mod list_functions;
mod list_tags;
mod list_versions_by_function;
mod publish_version;
mod remove_permission;
mod tag_resource;
mod untag_resource;
mod update_function_code;
mod update_function_configuration;

pub use add_permission::*;
pub use create_function::*;
pub use delete_function::*;
pub use get_account_settings::*;
pub use get_function::*;
pub use get_function_configuration::*;
pub use get_policy::*;
pub use invoke::*;
pub use list_functions::*;
pub use list_tags::*;
pub use list_versions_by_function::*;
pub use publish_version::*;
pub use remove_permission::*;
pub use tag_resource::*;
pub use untag_resource::*;
pub use update_function_code::*;
pub use update_function_configuration::*;
