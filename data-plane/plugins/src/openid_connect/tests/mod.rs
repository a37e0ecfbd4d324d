mod bearer;
mod bed;
mod login;
